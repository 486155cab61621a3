// The newest pushes, asked for every second; text only ever enters the page as text.
const most = 200;
const rows = document.getElementById('pushes');
let after = 0;

function cell(tr, text) {
  tr.append(Object.assign(document.createElement('td'), { textContent: text ?? '' }));
}

function row(p) {
  const tr = document.createElement('tr');
  cell(tr, new Date(p.at).toLocaleTimeString());
  for (const text of [p.gateway, p.message_id, p.device_id, p.collapse]) cell(tr, text);
  const details = document.createElement('details');
  const title = p.payload.aps?.alert?.title ?? p.payload.notification?.title ?? p.payload.title ?? 'silent';
  details.append(
    Object.assign(document.createElement('summary'), { textContent: title }),
    Object.assign(document.createElement('pre'), { textContent: JSON.stringify({ headers: p.headers, payload: p.payload }, null, 2) }),
  );
  tr.append(document.createElement('td'));
  tr.lastChild.append(details);
  return tr;
}

async function look() {
  const pushes = await (await fetch(`pushes?after=${after}`)).json();
  for (const p of pushes.slice(-most)) rows.prepend(row(p));
  while (rows.children.length > most) rows.lastChild.remove();
  after = pushes.at(-1)?.seq ?? after;
  document.getElementById('count').textContent = `${after} accepted.`;
  const rules = await (await fetch('rules')).json();
  document.getElementById('rules').textContent = rules.map((r) => JSON.stringify(r)).join('\n') || 'none';
}

document.getElementById('try').textContent = `curl ${new URL('rules', location)} -H 'Content-Type: application/json' \\
     -d '{"gateway":"apns","status":503,"reason":"ServiceUnavailable","times":10}'
curl -X DELETE ${new URL('rules', location)}`;
for (;;) {
  await look().catch(() => { document.getElementById('count').textContent = 'The gateways are gone.'; });
  await new Promise((done) => setTimeout(done, 1000));
}
