package fcm

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/services/dispatch/h2"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

type exchangeKey struct{}

// exchange is one attempt: what to send, and what came back. It travels in the request's context, the only way
// through the SDK to its transport.
type exchange struct {
	body []byte
	auth string

	asked bool
	req   h2.Request
	resp  h2.Response
	err   error
}

// once is the transport below the SDK. Whatever happens, the SDK sees an answer that it does not retry: it repeats on
// transport errors, on 503, and on a body that breaks off.
type once struct{ client *h2.Client }

// RoundTrip makes the one request of an exchange: the SDK's, but for its body and its authorisation.
func (o once) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("fcm: a request outside an attempt")
	}
	if x.asked {
		return nil, errors.New("fcm: a second request in one attempt")
	}
	x.asked = true
	f := append(x.req.Fields[:0], hpack.HeaderField{Name: "authorization", Value: x.auth})
	for name, v := range req.Header {
		f = append(f, hpack.HeaderField{Name: strings.ToLower(name), Value: v[0]})
	}
	x.req = h2.Request{Path: req.URL.EscapedPath(), Fields: f, Body: x.body}
	x.err = o.client.Do(req.Context(), &x.req, &x.resp)
	status, body := x.resp.Status, x.resp.Body
	if x.err != nil || status >= http.StatusInternalServerError {
		status, body = http.StatusBadGateway, nil
	}
	return quiet(req, status, body), nil
}

// quiet is an answer that the SDK takes as final.
func quiet(req *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// verdict reads the exchange.
func (x *exchange) verdict(now time.Time) push.Verdict {
	if x.err != nil {
		return push.Lost(h2.Written(x.err))
	}
	if x.resp.Status == http.StatusOK {
		var ok struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(x.resp.Body, &ok) != nil || ok.Name == "" {
			return push.Verdict{Class: push.Ambiguous, Status: x.resp.Status, Reason: push.ReasonBadAnswer}
		}
		v := Table.Judge(x.resp.Status, "", 0)
		v.ProviderID = ok.Name
		return v
	}
	return Table.Judge(x.resp.Status, reason(x.resp.Body), push.WaitOf(x.resp.Field("retry-after"), now))
}

// reason is the errorCode of the FcmError among the details, or the status of the error.
func reason(answer []byte) string {
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Details []struct {
				Type      string `json:"@type"`
				ErrorCode string `json:"errorCode"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &body) != nil {
		return ""
	}
	for _, d := range body.Error.Details {
		if d.Type == "type.googleapis.com/google.firebase.fcm.v1.FcmError" && d.ErrorCode != "" {
			return d.ErrorCode
		}
	}
	return body.Error.Status
}
