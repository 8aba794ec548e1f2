"use strict";
// The sample browser of an evaluation's page. What a model wrote only ever becomes text nodes, never markup.

const OUTCOMES = {
  c: { name: "correct", mark: "✓" },
  w: { name: "wrong", mark: "✗" },
  n: { name: "no answer", mark: "∅" },
  x: { name: "cut", mark: "⇥" },
  e: { name: "excluded", mark: "?" },
};
const CORRECT = {
  "": { name: "any", test: () => true },
  all: { name: "every sample", test: (seen) => seen.length > 0 && seen.every((o) => o === "c") },
  some: { name: "some samples", test: (seen) => seen.includes("c") && seen.some((o) => o !== "c") },
  none: { name: "no sample", test: (seen) => seen.length > 0 && !seen.includes("c") },
};
const PATTERNS = {
  "": { name: "any" },
  over: { name: "right early, wrong late", turns: rightEarlyWrongLate },
  pays: { name: "wrong early, right late", turns: wrongEarlyRightLate },
  differs: { name: "verdict differs between runs" },
};
const FINISHES = {
  closed: "closed by the model", budget: "the largest budget was reached",
  stop: "ended by the model", length: "cut at its allowance", empty: "ended inside the thought",
};

let index; // runs, budgets, problems: see browser_data.py
let texts; // place of a problem -> its texts, for those that are kept here
let options; // the list's entries, one per problem
const view = { problem: 0, sample: 0, budget: 0 };

const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------- verdicts (pure)
function rightEarlyWrongLate(trial) { return /c.*[^c]/.test(trial.o.replaceAll("e", "")); }
function wrongEarlyRightLate(trial) { return /[^c].*c/.test(trial.o.replaceAll("e", "")); }

/** Places of the samples that turn, in one run, or in any where `run` is "". */
function turning(problem, turns, run) {
  const runs = run === "" ? problem.runs : [problem.runs[run]];
  return runs.flatMap((trials) => [...(trials ?? []).keys()].filter((g) => turns(trials[g])));
}

/** Outcome letters of one run's trials, at one budget or, where `budget` is "", at all. */
function outcomesOf(problem, run, budget) {
  const trials = problem.runs[run] ?? [];
  if (budget === "") return trials.flatMap((trial) => [...trial.o]);
  const place = index.runs[run].budgets.indexOf(Number(budget));
  return place < 0 ? [] : trials.map((trial) => trial.o[place]);
}

/** Share of right verdicts, null where nothing was judged. */
function shareRight(outcomes) {
  const known = outcomes.filter((o) => o !== "e");
  return known.length ? known.filter((o) => o === "c").length / known.length : null;
}

/** Whether at the budget (or at any) at least half of one run's samples are right and fewer of another's. */
function differs(problem, budget) {
  const budgets = budget === "" ? index.budgets : [budget];
  return budgets.some((b) => {
    const shares = index.runs.map((_, run) => shareRight(outcomesOf(problem, run, b))).filter((share) => share !== null);
    return new Set(shares.map((share) => share >= 0.5)).size > 1;
  });
}

function matches(problem, place, chosen) {
  const { turns } = PATTERNS[chosen.pattern];
  const runs = chosen.run === "" ? index.runs.keys() : [chosen.run];
  const seen = [...runs].flatMap((run) => outcomesOf(problem, run, chosen.budget));
  return (
    (chosen.outcome === "" || seen.includes(chosen.outcome)) &&
    CORRECT[chosen.correct].test(seen.filter((o) => o !== "e")) &&
    (!turns || turning(problem, turns, chosen.run).length > 0) &&
    (chosen.pattern !== "differs" || differs(problem, chosen.budget)) &&
    (chosen.level === "" || problem.level === chosen.level) &&
    (!chosen.keptOnly || texts.has(place)) &&
    chosen.words.every((word) => problem.haystack.includes(word))
  );
}

/** All that a search looks through, in lower case. */
function haystackOf(problem, kept) {
  const trials = kept ? kept.runs.flatMap((run) => run ?? []) : [];
  const said = trials.flatMap((trial) => [...trial.thoughts.map(([text]) => text), ...trial.answers.map(({ text }) => text)]);
  return [problem.id, problem.source, kept?.prompt ?? problem.excerpt, kept?.gold ?? "", ...said].join("\n").toLowerCase();
}

// ---------------------------------------------------------------- elements
/** An element; strings among the children become text. Attributes that are null or false are left out. */
function el(tag, attributes = {}, ...children) {
  const svg = tag === "svg" || tag === "path";
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

/** Control characters and marks that turn the direction of writing are spelled out. */
function shown(text) {
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  return text.replace(hidden, (c) => (c === "\r" ? "" : `\\x${c.codePointAt(0).toString(16).padStart(2, "0")}`));
}

const badge = (letter) => el("span", { class: `badge ${letter}` }, `${OUTCOMES[letter].mark} ${OUTCOMES[letter].name}`);
const number = (value) => value.toLocaleString("en");

/** The share of right samples at each budget of a run, as small bars. */
function spark(problem, run) {
  const shares = index.runs[run].budgets.map((budget) => shareRight(outcomesOf(problem, run, budget)));
  const bars = (height) => shares.map((share, i) => `M${7 * i} 16h5v-${share === null ? 0 : height(share)}h-5z`).join("");
  const width = 7 * shares.length;
  return el(
    "svg", { class: "spark", viewBox: `0 0 ${width} 16`, width, height: 16, "aria-hidden": "true" },
    el("path", { class: "track", d: bars(() => 16) }), el("path", { class: "right", d: bars((share) => 16 * share) }),
  );
}

// ---------------------------------------------------------------- the list
function entry(problem, place) {
  const last = index.runs.map((run, r) => {
    const outcomes = outcomesOf(problem, r, run.budgets.at(-1));
    return `${outcomes.filter((o) => o === "c").length} of ${outcomes.length} right`;
  });
  return el(
    "div", { role: "option", id: `problem-${place}`, "aria-selected": "false", onclick: () => choose(place) },
    el("span", { class: "top" }, el("b", {}, shown(problem.id)), el("span", { class: "level" }, shown(problem.level)),
      el("span", { class: "sparks" }, index.runs.map((_, run) => (problem.runs[run] ? spark(problem, run) : null)))),
    el("span", { class: "excerpt" }, shown(problem.excerpt)),
    el("span", { class: "unseen" }, `${last.join("; ")} at the largest budget`),
  );
}

function chosenFilters() {
  const value = (id) => $(id).value;
  return {
    words: value("query").toLowerCase().split(/\s+/).filter(Boolean),
    run: value("run") === "" ? "" : Number(value("run")),
    budget: value("budget"), outcome: value("outcome"), correct: value("correct"),
    pattern: value("pattern"), level: value("level"), keptOnly: $("kept-only").checked,
  };
}

function applyFilters() {
  const chosen = chosenFilters();
  options.forEach((option, place) => { option.hidden = !matches(index.problems[place], place, chosen); });
  const left = visiblePlaces();
  $("count").textContent = `${number(left.length)} of ${number(index.problems.length)} problems`;
  if (chosen.budget !== "") view.budget = Number(chosen.budget);
  if (left.length) choose(options[view.problem].hidden ? left[0] : view.problem);
  else renderDetail();
}

const visiblePlaces = () => [...options.keys()].filter((place) => !options[place].hidden);

function choose(place) {
  const { pattern, run } = chosenFilters();
  const { turns } = PATTERNS[pattern];
  options[view.problem].setAttribute("aria-selected", "false");
  view.problem = place;
  if (turns) view.sample = turning(index.problems[place], turns, run)[0] ?? 0; // the sample that is looked for
  options[place].setAttribute("aria-selected", "true");
  $("problems").setAttribute("aria-activedescendant", options[place].id);
  $("problems").scrollTop = options[place].offsetTop - $("problems").clientHeight / 3;
  renderDetail();
}

function move(by) {
  const left = visiblePlaces();
  const at = left.indexOf(view.problem);
  if (!left.length) return;
  choose(left[Math.min(Math.max(at + by, 0), left.length - 1)]);
  $("problems").scrollIntoView({ block: "nearest" });
}

// ---------------------------------------------------------------- one problem
function chooseSample(sample) {
  const count = Math.max(1, ...index.problems[view.problem].runs.map((trials) => trials?.length ?? 0));
  view.sample = (sample + count) % count;
  renderDetail();
}

const chooseBudget = (budget) => { view.budget = budget; renderDetail(); };

/** Draw the chosen problem anew; the focus stays on the button that it was on. */
function renderDetail() {
  const focused = document.activeElement?.dataset?.key;
  const nothing = [el("p", { class: "note" }, "No problem passes these filters.")];
  $("detail").replaceChildren(...(visiblePlaces().length ? detail() : nothing));
  if (focused) $("detail").querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  for (const thought of $("detail").querySelectorAll(".thought")) {
    const end = thought.querySelector(".mark.here");
    if (end) thought.scrollTop = end.offsetTop - thought.clientHeight / 2;
  }
}

function detail() {
  const [problem, kept] = [index.problems[view.problem], texts.get(view.problem)];
  const about = [problem.source, problem.level && `level ${problem.level}`].filter(Boolean).join(" · ");
  return [
    el("header", {}, el("h3", {}, shown(problem.id)), el("span", { class: "level" }, shown(about))),
    el("p", { class: "text prompt" }, shown(kept?.prompt ?? problem.excerpt)),
    kept ? el("p", { class: "expected" }, "expected ", el("b", {}, shown(kept.gold)))
      : el("p", { class: "note" }, "The texts of this problem are not kept on this page: read them in samples.jsonl."),
    el("div", { class: "pair" }, problem.runs.map((trials, run) => (trials ? runView(trials, run, kept?.runs[run]) : null))),
  ];
}

/** Where a run has the budget in view, or the largest of its budgets below it. */
function placeOf(run) {
  return Math.max(0, index.runs[run].budgets.findLastIndex((budget) => budget <= view.budget));
}

function runView(trials, run, kept) {
  const [at, label] = [placeOf(run), index.runs[run].label];
  const sample = Math.min(view.sample, trials.length - 1);
  const words = kept?.[sample];
  return el(
    "section", { class: "run", "aria-label": label },
    index.runs.length > 1 ? el("h4", {}, shown(label)) : null,
    samplePicker(trials, run, at, sample),
    verdictTable(trials[sample], run, at, words),
    words ? thoughtView(trials[sample], run, at, words) : null,
    words ? answerView(trials[sample], at, words.answers[at]) : null,
  );
}

function samplePicker(trials, run, at, sample) {
  if (trials.length < 2) return null;
  const buttons = trials.map((trial, g) => el(
    "button",
    {
      type: "button", class: `pick ${trial.o[at]}`, "aria-pressed": String(g === sample), "data-key": `sample-${run}-${g}`,
      "aria-label": `sample ${g + 1}, ${OUTCOMES[trial.o[at]].name}`, onclick: () => chooseSample(g),
    },
    `${g + 1} ${OUTCOMES[trial.o[at]].mark}`,
  ));
  return el("div", { class: "picker", role: "group", "aria-label": "Sample" }, el("span", {}, "Sample"), buttons);
}

function verdictTable(trial, run, at, words) {
  const head = ["Budget", "Verdict", words && "Final", "Thought", "Answer", "Spent"].filter(Boolean).map((name) => el("th", { scope: "col" }, name));
  const rows = index.runs[run].budgets.map((budget, s) => el(
    "tr", { class: s === at && "here", onclick: () => chooseBudget(budget) },
    el("td", {}, el("button", { type: "button", class: "link", "data-key": `budget-${run}-${budget}`, "aria-current": s === at && "true" }, number(budget))),
    el("td", {}, badge(trial.o[s])),
    words ? el("td", { class: "final", title: shown(words.answers[s].final) }, shown(words.answers[s].final) || "–") : null,
    el("td", {}, number(trial.t[s]), trial.f[s] === "1" ? el("span", { class: "cut", title: "closed by force" }, " ✂") : null),
    el("td", {}, number(trial.a[s])),
    el("td", {}, number(trial.s[s])),
  ));
  return el("div", { class: "scroll" }, el("table", { class: "verdicts" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}

/** Places in a thought at which budgets end, in order: `budgets` are their places in the run's grid. */
function marksOf(words, which) {
  const marks = new Map();
  words.answers.forEach(({ thought, cut }, s) => {
    if (thought === which) marks.set(cut, [...(marks.get(cut) ?? []), s]);
  });
  return [...marks].sort(([a], [b]) => a - b).map(([cut, budgets]) => ({ cut, budgets }));
}

function thoughtView(trial, run, at, words) {
  const which = words.answers[at].thought;
  if (!words.thoughts[which]) return null;
  const [[text, tokens, finish], parts] = [words.thoughts[which], []];
  let start = 0;
  for (const { cut, budgets } of marksOf(words, which)) {
    const beyond = start >= words.answers[at].cut && start > 0;
    parts.push(el("span", { class: beyond && "beyond" }, shown(text.slice(start, cut))), budgetMark(trial, run, at, budgets));
    if (budgets.includes(at) && trial.f[at] === "1" && index.runs[run].closing) {
      parts.push(el("span", { class: "forced", title: "forced, not sampled" }, shown(index.runs[run].closing)));
    }
    start = cut;
  }
  if (start < text.length) parts.push(el("span", { class: "beyond" }, shown(text.slice(start))));
  const title = words.thoughts.length > 1 ? `Thought ${which + 1} of ${words.thoughts.length} ` : "Thought ";
  return el("div", {},
    el("h5", {}, title, el("span", { class: "closing" }, `${number(tokens)} tokens, ${FINISHES[finish]}`)),
    el("div", { class: "text thought", tabindex: "0", role: "region", "aria-label": "Thought with budget marks" }, parts));
}

/** Where budgets end in the thought; the one in view shows what was forced there. */
function budgetMark(trial, run, at, budgets) {
  const grid = index.runs[run].budgets;
  const forced = trial.f[budgets[0]] === "1";
  const here = budgets.includes(at);
  const letter = trial.o[here ? at : budgets[0]];
  const note = here ? (forced ? " closed by force" : " closed by the model") : "";
  return el(
    "button",
    { type: "button", tabindex: "-1", class: `mark ${letter}${here ? " here" : ""}`, onclick: () => chooseBudget(grid[budgets.at(-1)]) },
    `${forced ? "✂" : "■"} ${budgets.map((s) => number(grid[s])).join(", ")} ${OUTCOMES[letter].mark}${note}`,
  );
}

function answerView(trial, at, answer) {
  const sure = answer.confidence === null ? "" : `confidence ${answer.confidence.toFixed(3)}`;
  const facts = [`${number(trial.a[at])} tokens, ${FINISHES[answer.finish]}`, sure, answer.detail].filter(Boolean).join(" · ");
  return el("div", {},
    el("h5", {}, "Answer ", badge(trial.o[at]), " ", el("span", { class: "closing" }, shown(facts))),
    el("p", { class: "text answer", tabindex: "0" }, shown(answer.text) || "(nothing)"));
}

// ---------------------------------------------------------------- keys and copying
const KEYS = {
  j: () => move(1), k: () => move(-1), h: () => chooseSample(view.sample - 1), l: () => chooseSample(view.sample + 1),
  "/": () => $("query").focus(),
};
const LIST_KEYS = {
  ArrowDown: () => move(1), ArrowUp: () => move(-1), PageDown: () => move(10), PageUp: () => move(-10),
  Home: () => move(-Infinity), End: () => move(Infinity),
  ArrowLeft: () => chooseSample(view.sample - 1), ArrowRight: () => chooseSample(view.sample + 1),
  Enter: () => $("detail").focus(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea");
  const inList = event.target.closest("#problems");
  const leaves = event.key === "Escape" || (event.key === "Enter" && event.target.id === "query");
  const budget = /^[1-9]$/.test(event.key) ? index.budgets[event.key - 1] : undefined;
  const command = budget === undefined ? KEYS[event.key] ?? (inList && LIST_KEYS[event.key]) : () => chooseBudget(budget);
  const act = leaves ? () => $("problems").focus() : !typing && command;
  if (!act) return;
  event.preventDefault();
  act();
}

async function copyFrom(button) {
  const source = $(button.dataset.copy);
  const name = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch { // a browser that forbids it: select the text, so that Ctrl-C does
    source.closest("details").open = true;
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl-C";
  }
  setTimeout(() => { button.textContent = name; }, 2000);
}

// ---------------------------------------------------------------- start
/** A gzip stream that the page carries in base64, as text. */
async function unpack(id) {
  const bytes = Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function fill(id, pairs) {
  $(id).append(...pairs.map(([value, name]) => el("option", { value }, shown(name))));
  $(id).closest("label").hidden = $(id).options.length < 3;
}

function fillFilters() {
  const named = (table) => Object.entries(table).map(([value, { name }]) => [value, name]);
  const levels = [...new Set(index.problems.map((problem) => problem.level))].filter(Boolean);
  fill("budget", index.budgets.map((budget) => [budget, number(budget)]));
  fill("outcome", named(OUTCOMES));
  fill("correct", named(CORRECT));
  fill("pattern", named(PATTERNS).filter(([value]) => value !== "differs" || index.runs.length > 1));
  fill("level", levels.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).map((level) => [level, level]));
  fill("run", index.runs.map((run, r) => [r, run.label]));
}

async function start() {
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copyFrom(button));
  if (!("DecompressionStream" in window)) {
    $("kept").textContent = "This browser cannot unpack the samples (it has no DecompressionStream): use one of 2023 or later.";
    return;
  }
  index = JSON.parse(await unpack("packed-index"));
  const lines = (await unpack("packed-texts")).split("\n").filter(Boolean);
  texts = new Map(lines.map((line) => JSON.parse(line)).map((kept) => [kept.place, kept]));
  index.problems.forEach((problem, place) => { problem.haystack = haystackOf(problem, texts.get(place)); });
  view.budget = index.budgets.at(-1);
  options = index.problems.map(entry);
  $("problems").replaceChildren(...options);
  const [n, all] = [texts.size, index.problems.length].map(number);
  $("kept").textContent = n === all ? "" : `Texts of ${n} of ${all} problems are kept here, shared evenly over outcomes; `
    + "all are in samples.jsonl. Verdicts are complete.";
  fillFilters();
  $("live").hidden = false;
  choose(0);
  applyFilters();
  $("filters").addEventListener("input", applyFilters);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => setTimeout(applyFilters));
  document.addEventListener("keydown", onKey);
  document.documentElement.dataset.ready = "yes";
}

start();
