// The form by which models are tried: the answer comes into the page, which tells meanwhile how far it is.
"use strict";

// What a person is told in these words; all else that is thrown is a fault of ours.
class Told extends Error {}
const LOST = "The connection was lost before the answer came. Try again.";
const OURS = "Something in this page broke, which is our fault. Load the page anew and try again.";

function addTrial(form) {
  const answer = document.getElementById(form.dataset.answer);
  const send = form.querySelector("button[type=submit]");
  const { query, documents, instruction } = form.elements; // an instruction for models that take one
  const largest = Number(form.dataset.largest);
  let trouble = null; // with what is entered, beside it
  const refuse = (text) => {
    trouble?.remove();
    trouble = text ? make("p", { className: "note bad", role: "alert", textContent: text }) : null;
    if (trouble) documents.closest(".field").append(trouble);
  };
  const tooLarge = (what, bytes) => `${what} has ${mebibytes(bytes)} MiB; at most ${mebibytes(largest)} MiB can be sent from here. The API takes more in one request, and as many requests as you like.`;

  let working = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (working) return;
    const body = new URLSearchParams(new FormData(form)).toString();
    refuse(body.length > largest && tooLarge("What is entered, as it is sent,", body.length));
    if (body.length > largest) return;
    const stop = new AbortController();
    const atWork = () => [document.body, send].includes(document.activeElement) || answer.contains(document.activeElement);
    working = progressOf(() => stop.abort());
    send.setAttribute("aria-disabled", "true"); // a button that is disabled would lose the focus
    answer.replaceChildren(working.element);
    answer.scrollIntoView({ block: "nearest" });
    say("Working on it.");
    try {
      const told = await lines(form.getAttribute("action"), body, stop.signal, working.show);
      const waits = atWork();
      answer.innerHTML = told.html;
      addCopyButtons(answer);
      const heading = told.status < 400 && answer.querySelector("h3");
      say(heading ? "The answer is here." : ""); // an error speaks for itself
      if (heading) heading.tabIndex = -1;
      if (waits) (heading || send).focus();
    } catch (error) {
      const waits = atWork();
      if (stop.signal.aborted) {
        const text = `Cancelled. What was not answered yet is given up${"priced" in form.dataset ? " and not charged" : ""}.`;
        answer.replaceChildren(make("p", { className: "note", textContent: text }));
        say(text);
      } else if (error instanceof Refused) {
        answer.replaceChildren(error.note);
      } else {
        answer.replaceChildren(make("p", { className: "note bad", role: "alert", textContent: error instanceof Told ? error.message : OURS }));
        if (!(error instanceof Told)) console.error(error);
      }
      if (!stop.signal.aborted) say("");
      if (waits) send.focus({ preventScroll: true });
    } finally {
      working.end();
      working = null;
      send.removeAttribute("aria-disabled");
    }
  });

  const take = async (file) => {
    refuse(file.size > largest && tooLarge(file.name, file.size));
    if (file.size > largest) return;
    const text = await file.text().catch(() => null);
    if (text === null) return refuse(`${file.name} could not be read.`);
    documents.value = text;
    form.elements.form.value = { csv: "csv", json: "json", jsonl: "json" }[file.name.split(".").pop().toLowerCase()] || "";
    say(`${file.name} is in the form.`);
  };
  documents.addEventListener("dragover", (event) => { event.preventDefault(); documents.classList.add("dropped"); });
  documents.addEventListener("dragleave", () => documents.classList.remove("dropped"));
  documents.addEventListener("drop", (event) => {
    documents.classList.remove("dropped");
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    take(file);
  });

  const tools = form.querySelector("[data-tools]");
  const picker = make("input", { type: "file", accept: ".txt,.csv,.json,.jsonl", hidden: true });
  picker.addEventListener("change", () => {
    const [file] = picker.files;
    if (file) take(file);
    picker.value = ""; // the same file may be chosen again, when it has changed
  });
  const open = make("button", { type: "button", className: "quiet", textContent: "Open a file" });
  open.addEventListener("click", () => picker.click());
  const share = make("button", { type: "button", className: "quiet", textContent: "Copy a link" });
  share.addEventListener("click", async () => {
    const entry = { query: query.value, instruction: instruction?.value, documents: documents.value, form: form.elements.form.value, whole: form.elements.whole.checked };
    history.replaceState(null, "", `#try=${encoded(entry)}`);
    answerOn(share, await copied(location.href) ? "Link copied" : "The link is in the address bar");
  });
  tools.append(open, picker, share);

  const fill = () => {
    const given = location.hash.startsWith("#try=") && decoded(location.hash.slice(5));
    if (!given) return;
    query.value = given.query ?? "";
    documents.value = given.documents ?? "";
    if (instruction) instruction.value = given.instruction ?? "";
    form.elements.form.value = given.form ?? "";
    form.elements.whole.checked = given.whole !== false;
    form.scrollIntoView();
  };
  addEventListener("hashchange", fill);
  fill();
}

const mebibytes = (bytes) => (Math.ceil(10 * bytes / 2 ** 20) / 10).toLocaleString("en");

function progressOf(cancel) {
  const text = make("span", { textContent: "Sent …" });
  const bar = make("progress", { max: 1 });
  bar.setAttribute("aria-label", "documents that have a score");
  const button = make("button", { type: "button", className: "quiet tiny", textContent: "Cancel" });
  button.addEventListener("click", cancel);
  const element = make("div", { className: "working card" }, make("div", { className: "row apart" }, text, button), bar);
  const began = performance.now();
  let said = "Working", share = 0;
  const write = () => tell(text, `${said} … ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const timer = setInterval(write, 500);
  const show = (told) => {
    if (told.total) share = Math.max(share, told.done / told.total); // the total grows as more models begin
    if (told.waiting?.length) {
      said = `Waiting for ${told.waiting.join(", ")} (a model that sleeps takes a while to start)`;
      bar.removeAttribute("value");
    } else if (told.total) {
      said = `${told.done.toLocaleString("en")} of ${told.total.toLocaleString("en")} documents have a score`;
      bar.value = share;
    }
    write();
  };
  return { element, bar, show, end: () => clearInterval(timer) };
}

// The last line of an answer: status and html, the part of the page. show: is given the lines before it.
async function lines(address, body, signal, show) {
  const lost = () => { throw new Told(LOST); };
  const headers = { Accept: "application/x-ndjson", "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8" };
  const answer = await fetch(address, { method: "POST", body, signal, headers }).catch(lost);
  const kind = answer.headers.get("Content-Type") ?? "";
  if (!kind.startsWith("application/x-ndjson")) throw new Refused(await answer.text().catch(lost), answer.status);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch(lost);
    rest += value ?? "";
    const cut = rest.split("\n");
    rest = cut.pop();
    for (const line of cut) {
      const told = JSON.parse(line);
      if ("html" in told) return told;
      show(told);
    }
    if (done) lost();
  }
}

// A whole page came in place of a part (a form that is too old, say): what it says is shown as a note.
class Refused extends Error {
  constructor(html, status) {
    super(`status ${status}`);
    const main = new DOMParser().parseFromString(html, "text/html").querySelector("main");
    main?.querySelectorAll("h1").forEach((each) => each.replaceWith(make("p", {}, make("strong", { textContent: each.textContent }))));
    const said = main ? main.childNodes : [`The server answered with status ${status} and without a word. Try again.`];
    this.note = make("div", { className: "note bad", role: "alert" }, ...said);
  }
}

const encoded = (entry) => {
  const bytes = new TextEncoder().encode(JSON.stringify(entry));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};
const decoded = (text) => {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch { return null; }
};

document.querySelectorAll("form[data-answer]").forEach(addTrial);
