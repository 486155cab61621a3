package fcm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// maxAnswer is all that is read of an answer.
const maxAnswer = 64 << 10

type exchangeKey struct{}

// exchange is one attempt: what to send, and what came back. It travels in the request's context, the only way
// through the SDK to its transport.
type exchange struct {
	body   []byte
	bearer string

	asked   bool
	status  int
	answer  []byte
	after   string
	err     error
	written atomic.Bool
}

// once is the transport below the SDK. Whatever happens, the SDK sees an answer that it does not retry: it repeats on
// transport errors, on 503, and on a body that breaks off.
type once struct{ base http.RoundTripper }

// RoundTrip makes the one request of an exchange.
func (o once) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("fcm: a request outside an attempt")
	}
	if x.asked {
		return nil, errors.New("fcm: a second request in one attempt")
	}
	x.asked = true
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { x.written.Store(true) },
	})
	r := req.Clone(ctx)
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(bytes.NewReader(x.body)), nil, int64(len(x.body))
	r.Header.Set("Authorization", "Bearer "+x.bearer)
	resp, err := o.base.RoundTrip(r)
	if err != nil {
		x.err = err
		return quiet(req, http.StatusBadGateway, nil), nil
	}
	defer resp.Body.Close()
	x.status, x.after = resp.StatusCode, resp.Header.Get("Retry-After")
	if x.answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		x.err = err
		return quiet(req, http.StatusBadGateway, nil), nil
	}
	if x.status >= 500 {
		return quiet(req, http.StatusBadGateway, x.answer), nil
	}
	return quiet(req, x.status, x.answer), nil
}

// quiet is an answer that the SDK takes as final.
func quiet(req *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// verdict reads the exchange.
func (x *exchange) verdict(now time.Time) push.Verdict {
	switch {
	case x.err != nil && (x.written.Load() || x.status != 0):
		return push.Verdict{Class: push.Ambiguous, Status: x.status, Reason: push.ReasonNoAnswer}
	case x.err != nil:
		return push.Verdict{Class: push.Retry, Reason: push.ReasonNotConnected}
	case x.status == http.StatusOK:
		var ok struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(x.answer, &ok) != nil || ok.Name == "" {
			return push.Verdict{Class: push.Ambiguous, Status: x.status, Reason: push.ReasonBadAnswer}
		}
		v := Table.Judge(x.status, "", 0)
		v.ProviderID = ok.Name
		return v
	}
	return Table.Judge(x.status, reason(x.answer), push.WaitOf(x.after, now))
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
