// The operators' page. It asks /api/live for the report, again and again, and shows it; the console calls /api/run.
const $ = (id) => document.getElementById(id);
const TEMPLATES = {
  "hexar.v1.QueryService/Query": { text: "beginner snowboard under $400", limit: 5 },
  "hexar.v1.ChatService/Chat": { portfolio_id: "manuals", message: "How long is the warranty of the Atlas 40?", ephemeral: true },
  "hexar.v1.PartsService/Discover": {
    vehicle: { text: "Vauxhall Astra 2006 1.6" },
    components: [{ name: "front bumper", severity: "SEVERITY_SEVERE" }],
  },
  "hexar.v1.MarketService/Analyze": { table: "sales", question: "Which brand sold most?" },
  "hexar.v1.LegalService/Draft": {
    document_type: "nda", jurisdiction: "US-CA",
    request: "Mutual NDA between Acme Robotics Inc. and Beta Labs LLC, effective 1 May 2026.",
  },
};
let token = sessionStorage.getItem("hexar-token") || "";
let latest = null;
let running = null;

const headers = () => ({ "x-hexar": "page", ...(token ? { authorization: `Bearer ${token}` } : {}) });

// Server-sent events by fetch, which can carry a token where EventSource cannot.
async function* events(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  if (!answer.ok) throw new Error((await answer.json()).message);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) yield JSON.parse(part.replace(/^data: /, ""));
  }
}

const seconds = (text) => (text === undefined ? null : parseFloat(text));
const time = (text) => {
  const value = seconds(text);
  if (value === null) return "–";
  return value < 0.001 ? `${(value * 1e6).toFixed(0)} µs` : value < 1 ? `${(value * 1000).toFixed(1)} ms` : `${value.toFixed(2)} s`;
};
const number = (value) => Number(value || 0).toLocaleString("en");
const share = (value) => (value === undefined ? "–" : `${(value * 100).toFixed(1)} %`);
const bytes = (value) => (Number(value || 0) / 1048576).toFixed(1) + " MB";
const money = (one) => (one ? `${((Number(one.micros) || 0) / 1e6).toFixed(4)} ${one.currency_code}` : "–");
const total = (map) => Object.values(map || {}).reduce((sum, one) => sum + Number(one), 0);
const named = (map) => Object.entries(map || {}).map(([name, count]) => `${name} ${number(count)}`).join(", ") || "–";

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function table(id, heads, rows) {
  const made = $(id);
  const head = element("thead", "");
  const line = element("tr", "");
  for (const one of heads) line.append(element("th", one, { scope: "col" }));
  head.append(line);
  const body = element("tbody", "");
  for (const row of rows) {
    const tr = element("tr", "");
    row.forEach((cell, at) => tr.append(at ? element("td", cell) : element("th", cell, { scope: "row" })));
    body.append(tr);
  }
  if (!rows.length) body.append(element("tr", ""));
  if (!rows.length) body.firstChild.append(element("td", "nothing yet", { colspan: heads.length }));
  made.replaceChildren(head, body);
}

function list(id, rows, none) {
  $(id).replaceChildren(...(rows.length ? rows : [[none, "good"]]).map(([text, kind]) => element("li", text, { class: kind })));
}

function figures(id, pairs) {
  $(id).replaceChildren(
    ...pairs.map(([name, value]) => {
      const one = element("div", "");
      one.append(element("dt", name), element("dd", value));
      return one;
    }),
  );
}

function operations(report, kinds) {
  const at = Number($("window").value);
  return (report.operations || [])
    .filter((row) => kinds.includes(row.kind))
    .map((row) => {
      const window = (row.windows || [])[at] || {};
      const latency = window.latency || {};
      const asked = Number(window.count || 0);
      return [
        row.name.replace("hexar.v1.", ""), number(row.count), number(asked), asked ? share(Number(window.errors || 0) / asked) : "–",
        time(latency.mean), time(latency.median), time(latency.p95), time(latency.p99), time(row.min), time(row.max), named(row.errors),
      ];
    });
}
const HEADS = ["name", "all", "window", "failed", "mean", "median", "p95", "p99", "shortest", "longest", "failures"];

function show({ report, status, breakers }) {
  latest = { report, status, breakers };
  const problems = (status.problems || []).filter((text) => !text.startsWith("alert "));
  const alerts = report.alerts || [];
  list(
    "alerts",
    [
      ...alerts.filter((one) => one.firing).map((one) => [`Firing: ${one.text}`, "bad"]),
      ...problems.map((text) => [text, "bad"]),
      ...alerts.filter((one) => !one.firing).map((one) => [`Resolved: ${one.text}`, "good"]),
    ],
    "Nothing needs a person.",
  );
  const firing = alerts.filter((one) => one.firing).length + problems.length;
  const said = `${status.ready ? "Ready" : "Not ready"}, version ${status.version}, ${report.counted} of ${report.workers} processes, ` +
    (firing ? `${firing} to look at` : "all well");
  if ($("state").textContent !== said) $("state").textContent = said;
  figures("now", [
    ["calls in progress", number(report.in_flight)], ["answers being made", number((report.answers || {}).running)],
    ["jobs that wait", number(report.queued_jobs)], ["oldest of them", time(report.oldest_job_age)],
    ["event loop lag", time(report.loop_lag)],
  ]);
  list(
    "targets",
    (report.targets || []).map((one) => [
      one.value === undefined ? `– ${one.description}: not measured` : `${one.met ? "✓" : "✗"} ${one.description}: ${one.value.toPrecision(3)}`,
      one.value === undefined ? "" : one.met ? "good" : "bad",
    ]),
    "There are none.",
  );
  table("rpc", HEADS, operations(report, ["OPERATION_KIND_RPC"]));
  table("tiers", ["tier", "bytes", "of", "entries", "evicted", "failed"], (report.tiers || []).map((one) => [
    one.tier, bytes(one.bytes), one.limit_bytes ? bytes(one.limit_bytes) : "–", number(one.entries), number(one.evictions), number(one.failures),
  ]));
  table("kinds", ["kind", "found", "from", "missed", "rate", "stale"], (report.caches || []).map((one) => [
    one.kind, number(total(one.hits)), named(one.hits), number(one.misses), share(one.hit_rate), number(one.stale),
  ]));
  const answers = report.answers || {};
  const asked = ["kept", "joined", "produced", "similar"].reduce((sum, name) => sum + Number(answers[name] || 0), 0);
  figures("answers", [
    ["answers", number(asked)], ["kept", number(answers.kept)], ["joined", number(answers.joined)], ["similar", number(answers.similar)],
    ["made", number(answers.produced)], ["not made anew", share(asked ? 1 - Number(answers.produced || 0) / asked : undefined)],
    ["tokens spared", number(answers.saved_tokens)], ["money spared", (answers.saved_cost || []).map(money).join(", ") || "–"],
  ]);
  table("models", ["model", "system", "calls", "prompt", "answer", "cost", "tokens/s"], (report.models || []).map((one) => [
    one.model, one.system, number(one.calls), number(one.prompt_tokens), number(one.completion_tokens), money(one.cost),
    (one.tokens_per_second || 0).toFixed(1),
  ]));
  table("agents", HEADS, operations(report, ["OPERATION_KIND_AGENT", "OPERATION_KIND_MODEL"]));
  table("jobs", HEADS, operations(report, ["OPERATION_KIND_JOB", "OPERATION_KIND_TOOL"]));
  table("breakers", ["party", "state", "failures", "probes in"], breakers.map((one) => [
    one.agent, (one.state || "").replace("BREAKER_STATE_", "").toLowerCase(), number(one.consecutive_failures), time(one.opens_for),
  ]));
  table("calls", ["method", "ended", "code", "took", "first event", "answer", "process", "request id"], (report.recent_calls || []).slice(0, 25).map((one) => [
    one.method.replace("hexar.v1.", ""), one.ended_at.slice(11, 19), one.code, time(one.took), time(one.first_event),
    one.cache ? `${one.cache}, ${one.tier}` : "–", String(one.worker || "–"), one.request_id || "–",
  ]));
  document.body.dataset.shown = String(Number(document.body.dataset.shown || 0) + 1);
}

async function follow() {
  for (;;) {
    try {
      for await (const event of events("api/live")) {
        if (!event.error) {
          $("sign-in").hidden = true;
          show(event);
          continue;
        }
        $("state").textContent = `${event.error}: ${event.message}`;
        if (event.error === "UNAUTHENTICATED" || event.error === "PERMISSION_DENIED") {
          $("sign-in").hidden = false;
          return;
        }
      }
    } catch (error) {
      $("state").textContent = `The server does not answer (${error.message}); trying again.`;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// -- the console ---------------------------------------------------------------------------------------------------------

function provenance(event) {
  const found = new Set();
  const look = (value, key) => {
    if (value === null || typeof value !== "object") {
      if (["tier", "cache_tier", "cache_status", "vendor", "model", "mode", "stale"].includes(key)) found.add(`${key} ${value}`);
    } else for (const [name, one] of Object.entries(value)) look(one, name);
  };
  look(event, "");
  return [...found].slice(0, 8).join(" · ");
}

async function run(submitted) {
  submitted.preventDefault();
  $("events").replaceChildren();
  let request;
  try {
    request = JSON.parse($("request").value);
  } catch (error) {
    $("outcome").textContent = `The request is no JSON: ${error.message}`;
    return;
  }
  running = new AbortController();
  $("go").disabled = true;
  $("stop").disabled = false;
  $("outcome").textContent = "Running …";
  let count = 0;
  try {
    const options = { method: "POST", body: JSON.stringify({ method: $("method").value, request }), signal: running.signal };
    options.headers = { "content-type": "application/json" };
    for await (const one of events("api/run", options)) {
      if (one.code) {
        const cache = one.metadata["hexar-cache"] ? `, answer: ${one.metadata["hexar-cache"]}` : "";
        $("outcome").textContent = `${one.code} after ${one.ms} ms, ${count} events${cache}` + (one.message ? `: ${one.message}` : "");
        continue;
      }
      count += 1;
      const kind = Object.keys(one.event).find((name) => name !== "seq") || "event";
      const item = element("li", "");
      item.append(element("b", `${one.ms} ms`), element("span", `${kind} `), element("span", provenance(one.event), { class: "from" }));
      item.append(element("pre", JSON.stringify(one.event[kind], null, 1).slice(0, 4000)));
      $("events").append(item);
    }
  } catch (error) {
    $("outcome").textContent = error.name === "AbortError" ? `Stopped after ${count} events` : error.message;
  }
  $("go").disabled = false;
  $("stop").disabled = true;
}

function select(tab) {
  for (const one of document.querySelectorAll("[role=tab]")) {
    const on = one === tab;
    one.setAttribute("aria-selected", String(on));
    one.tabIndex = on ? 0 : -1;
    $(one.getAttribute("aria-controls")).hidden = !on;
  }
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (key) => {
    if (key.key !== "ArrowLeft" && key.key !== "ArrowRight") return;
    const other = [...document.querySelectorAll("[role=tab]")].find((one) => one !== tab);
    select(other);
    other.focus();
  });
}
$("window").addEventListener("change", () => latest && show(latest));
$("run").addEventListener("submit", run);
$("stop").addEventListener("click", () => running && running.abort());
$("method").addEventListener("change", () => {
  $("request").value = JSON.stringify(TEMPLATES[$("method").value] || {}, null, 2);
});
$("sign-in").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("hexar-token", token);
  follow();
});
const methods = await (await fetch("api/methods")).json();
const first = (path) => (path in TEMPLATES ? 0 : 1);
methods.sort((one, other) => first(one) - first(other));
$("method").replaceChildren(...methods.map((path) => element("option", path.replace("hexar.v1.", ""), { value: path })));
$("method").dispatchEvent(new Event("change"));
follow();
