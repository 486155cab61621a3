// The page follows one event stream: a snapshot, then what changes. All text is set as text, never as markup.
const MAX = 150; // rows kept per list
const messages = new Map(); // key → message
const built = new Map(); // key → row
let fresh = new Set(), total = null, rows = [], arms = [], skew = 0, dirty = false;

const $ = (id) => document.getElementById(id);
const key = (m) => JSON.stringify([m.app_id, m.user_id, m.message_id]);
const count = new Intl.NumberFormat("en").format;
const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format;
const endings = ["sent", "expired", "cancelled", "suppressed", "superseded", "failed", "unknown", "control"];

function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs ?? {})) e[k.startsWith("on") || k === "className" ? k : "title"] = v;
  e.append(...children.filter((c) => c !== undefined && c !== null && c !== ""));
  return e;
}

function span(ms) {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return `${(s / 86400).toFixed(1)} d`;
}

const now = () => Date.now() + skew;
const clock = (t) => new Date(t).toLocaleTimeString([], { hour12: false });
const badge = (type) => el("span", { className: `badge ${type}` }, type.replaceAll("_", " "));

function local(m) {
  const t = /T?(\d\d:\d\d)/.exec(m.local_time ?? "");
  return el("td", { className: "who" }, m.user_id, el("small", {}, [t?.[1], m.time_zone].filter(Boolean).join(" ")));
}

// The address of a message's detail can be shared.
const path = (m) => [m.app_id, m.user_id, m.message_id].map(encodeURIComponent).join("/");

function link(m) {
  const a = el("a", {}, m.message_id);
  a.href = "#" + path(m);
  return a;
}

function name(m) {
  return el("td", { className: "id" },
    link(m),
    el("small", {}, [m.campaign_id, m.category].filter(Boolean).join(" · ")));
}

// The next look of a held message. One that has passed moved the plan by less than five minutes: timing says no more of it.
function nextLook(m, at) {
  if (m.state === "released") return "sending";
  if (!m.next_wake_at) return "";
  const left = Date.parse(m.next_wake_at) - now();
  return left > 0 ? at(left) : left > -2000 ? "now" : "soon";
}

// A row is built once for each state of its message; tick() sets what changes with time alone.
function heldRow(m) {
  const held = el("td", { className: "num" }), next = el("td", { className: "num" });
  const tick = () => {
    held.textContent = m.accepted_at ? span(Math.max(0, now() - Date.parse(m.accepted_at))) : "";
    next.textContent = nextLook(m, (left) => `in ${span(left)}`);
    next.title = next.textContent === "soon" ? "looked at again; the plan moved by less than five minutes" : "";
  };
  return { m, tick, tr: el("tr", {}, name(m), local(m), held, next, why(m)) };
}

function endedRow(m) {
  const held = m.hold_ms || (m.accepted_at && m.ended_at ? Math.max(0, Date.parse(m.ended_at) - Date.parse(m.accepted_at)) : 0);
  return { m, tick() {}, tr: el("tr", {}, name(m), local(m), el("td", { className: "num" }, span(held)),
    el("td", {}, badge(m.state), el("small", {}, (m.reason ?? "").replaceAll("_", " "))), why(m)) };
}

// Two lines of the sentence; all of it is the title and in the detail.
function why(m) {
  const gates = (m.gates ?? []).map((g) => el("span", { className: "gate" }, g.replaceAll("_", " ") + " "));
  return el("td", { className: "why", title: m.why ?? "" }, el("div", {}, ...gates, m.why));
}

// list keeps the elements of rows that did not change where they are, so that a click or a selection survives.
function list(id, held, row, order) {
  const all = [...messages.values()].filter((m) => m.held === held).sort(order);
  for (const m of all.slice(MAX)) messages.delete(key(m));
  const body = $(id), active = body.contains(document.activeElement) ? document.activeElement.hash : null;
  const shown = all.slice(0, MAX).map((m) => {
    let r = built.get(key(m));
    if (r?.m !== m) {
      r = row(m);
      built.set(key(m), r);
      if (fresh.has(key(m))) r.tr.className = "fresh";
    }
    r.tick();
    return r.tr;
  });
  shown.forEach((tr, i) => { if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null); });
  while (body.children.length > shown.length) body.lastChild.remove();
  if (active && !body.contains(document.activeElement)) [...body.querySelectorAll("a")].find((a) => a.hash === active)?.focus({ preventScroll: true });
  return shown.length;
}

function tiles() {
  const t = total, shown = [["accepted", t.accepted], ["held", t.held]];
  for (const e of endings) if (t.ended[e] || e === "sent") shown.push([e, t.ended[e] ?? 0]);
  for (const a of ["opened", "dismissed", "ignored"]) if (t.after[a]) shown.push([a, t.after[a]]);
  $("tiles").replaceChildren(...shown.map(([k, n]) => el("div", { className: k }, el("dt", {}, k), el("dd", {}, count(n)))));
  const ended = Object.values(t.ended).reduce((a, b) => a + b, 0);
  const broken = t.contradictions || t.orphans;
  $("law").className = broken ? "broken" : "";
  $("law").textContent = `accepted ${count(t.accepted)} = ended ${count(ended)} + held ${count(t.held)}` +
    (broken ? ` — but ${t.contradictions} ended in two ways and ${t.orphans} came from nowhere` : " ✓ nothing lost");
}

// table fills one with a head of names and rows of cells, the first few of them text and the rest numbers.
function table(id, texts, names, lines) {
  const cell = (tag) => (c, i) => el(tag, i < texts ? {} : { className: "num" }, c);
  $(id).replaceChildren(el("thead", {}, el("tr", {}, ...names.map(cell("th")))),
    el("tbody", {}, ...lines.map((l) => el("tr", {}, ...l.map(cell("td"))))));
}

function ledger() {
  const used = endings.filter((e) => rows.some((r) => r.ended[e]));
  const after = ["opened", "dismissed", "ignored"].filter((e) => rows.some((r) => r.after[e]));
  table("ledger", 2, ["app", "campaign", "accepted", "held", ...used, ...after], rows.map((r) => [r.app_id, r.campaign_id || "(none)",
    ...[r.accepted, r.held, ...used.map((e) => r.ended[e] ?? 0), ...after.map((e) => r.after[e] ?? 0)].map(count)]));
}

function byArm() {
  table("arms", 1, ["arm", "accepted", "sent", "opened", "attended within 5 min", "came within the hour", "disabled", "median wait until sent"], arms.map((a) => [
    a.arm, count(a.accepted), count(a.sent), ...[a.opened, a.reached, a.came].map((n) => el("span", {}, count(n), el("small", {}, percent(n / a.accepted)))),
    count(a.disabled), a.median_wait_ms < 0 ? "most not sent" : span(a.median_wait_ms)]));
}

function render() {
  if (!total || document.hidden) return;
  tiles();
  ledger();
  byArm();
  const by = (f) => (a, b) => f(b) - f(a);
  const held = list("held", true, heldRow, (a, b) => (Date.parse(a.next_wake_at ?? "9999-01-01") - Date.parse(b.next_wake_at ?? "9999-01-01")) || (a.message_id < b.message_id ? -1 : 1));
  const ended = list("ended", false, endedRow, by((m) => Date.parse(m.ended_at ?? m.changed_at)));
  const all = Object.values(total.ended).reduce((a, b) => a + b, 0);
  $("held-count").textContent = held < total.held ? `${held} of ${count(total.held)}, next look first` : "next look first";
  $("ended-count").textContent = ended < all ? `the latest ${ended} of ${count(all)}` : "latest first";
  $("empty").hidden = total.accepted > 0;
  fresh = new Set();
  for (const k of built.keys()) if (!messages.has(k)) built.delete(k);
}

function connect() {
  const source = new EventSource("console/events");
  source.onmessage = (e) => {
    const u = JSON.parse(e.data);
    skew = Date.parse(u.now) - Date.now();
    if (u.reset) messages.clear();
    for (const m of u.messages ?? []) {
      if (!u.reset) fresh.add(key(m));
      messages.set(key(m), m);
    }
    total = u.total;
    rows = u.rows ?? [];
    arms = u.arms ?? [];
    $("live").textContent = "live";
    $("live").className = "on";
    if (!dirty) {
      dirty = true;
      requestAnimationFrame(() => { dirty = false; render(); });
    }
  };
  source.onerror = () => { $("live").textContent = "reconnecting…"; $("live").className = ""; };
}

function bars(d) {
  const top = Math.max(d.score, d.value_of_waiting, 1e-9);
  const bar = (cls, v, label) => {
    const width = Math.max(1, Math.round(110 * Math.max(0, v) / top));
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", width); svg.setAttribute("height", 8); svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("width", "100%"); rect.setAttribute("height", "100%"); rect.setAttribute("rx", 2); rect.setAttribute("class", cls);
    svg.append(rect);
    return el("span", {}, svg, `${v.toPrecision(3)} ${label}`);
  };
  return el("div", { className: "bars" }, bar("now", d.score, "now"), bar("later", d.value_of_waiting, "waiting"));
}

async function open() {
  const at = location.hash.slice(1);
  if (!at) return $("detail").close();
  const [app, user, message] = at.split("/").map(decodeURIComponent);
  const answer = await fetch(`console/message?${new URLSearchParams({ app_id: app, user_id: user, message_id: message })}`);
  if (!answer.ok) {
    $("detail-title").textContent = message;
    $("facts").replaceChildren(el("div", {}, el("dd", {}, await answer.text())));
    for (const id of ["life", "decisions"]) $(id).replaceChildren();
    return $("detail").open || $("detail").showModal();
  }
  const d = await answer.json();
  $("detail-title").textContent = d.message_id;
  const facts = [["App", d.app_id], ["Person", d.user_id], ["Campaign", d.campaign_id], ["Category", d.category], ["Priority", d.priority],
    ["State", d.state + (d.reason ? `: ${d.reason}` : "")], ["Accepted", d.accepted_at && clock(d.accepted_at)],
    ["Held for", d.ended_at ? span(Date.parse(d.ended_at) - Date.parse(d.accepted_at)) : d.accepted_at && span(now() - Date.parse(d.accepted_at))],
    ["Their time", [d.local_time, d.time_zone].filter(Boolean).join(" ")], ["Next look", nextLook(d, () => clock(d.next_wake_at))]];
  $("facts").replaceChildren(...facts.filter(([, v]) => v).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v))));
  $("life").replaceChildren(...d.outcomes.map((o) => el("li", {}, badge(o.type), " ", clock(o.occurred_at), " ",
    el("small", {}, [o.reason, o.channel, o.device_id].filter(Boolean).join(" · ")))));
  $("decisions").replaceChildren(...d.decisions.toReversed().map((x) => {
    const features = Object.entries(x).filter(([k]) => k.startsWith("f_")).map(([k, v]) => `${k.slice(2)} = ${Number(v).toPrecision(4)}`).join("\n");
    return el("tr", {}, el("td", { className: "num" }, clock(x.occurred_at)), el("td", {}, x.trigger), el("td", {}, badge(x.action)),
      el("td", { title: features }, bars(x)), el("td", {}, ...(x.gates ?? []).map((g) => el("span", { className: "gate" }, g.replaceAll("_", " ") + " "))),
      el("td", { className: "why" }, x.why));
  }));
  if (!$("detail").open) $("detail").showModal();
}

$("try").textContent = `curl -X POST ${location.origin}/v1/messages -H 'Authorization: Bearer demo' -H 'Content-Type: application/json' \\
  -d '{"message_id":"hello-1","user_id":"ada","title":"Hello","body":"At the right moment","timing":"best_moment"}'`;
$("detail").addEventListener("close", () => history.replaceState(null, "", location.pathname));
$("detail").addEventListener("click", (e) => { if (e.target === $("detail")) $("detail").close(); });
document.addEventListener("visibilitychange", render);
window.addEventListener("hashchange", open);
setInterval(render, 1000);
connect();
if (location.hash) open();
