// What the pages do beyond what a form does. Each part stands alone; without any of it every page still works.
"use strict";

const HIDDEN = "hidden";
const tell = (element, text) => { element.textContent = text; };
const make = (tag, properties = {}, ...children) => {
  const { role, ...others } = properties;
  const made = Object.assign(document.createElement(tag), others);
  if (role) made.setAttribute("role", role);
  made.append(...children);
  return made;
};

// For ears alone: what the eye sees happen elsewhere on the page.
const heard = make("p", { className: "unseen", role: "status" });
document.body.append(heard);
const say = (text) => tell(heard, text);

// Copy buttons: above each block of code.
function addCopyButtons(root) {
  for (const block of root.querySelectorAll("[data-copy]")) {
    if (block.dataset.ready) continue;
    block.dataset.ready = "yes";
    const code = block.querySelector("code");
    const button = make("button", { type: "button", className: "quiet tiny", textContent: "Copy" });
    button.setAttribute("aria-label", `Copy ${block.dataset.copy}`);
    button.addEventListener("click", async () => {
      answerOn(button, await copied(code.textContent) ? "Copied" : "Select and copy by hand");
    });
    block.prepend(button);
  }
}

// What a button did, in its own place and for the ear.
function answerOn(button, text) {
  const before = button.dataset.named ??= button.textContent;
  tell(button, text);
  say(text);
  setTimeout(() => { tell(button, before); say(""); }, 2000);
}

async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = make("textarea", { value: text, className: "unseen" }); // a page without TLS has no clipboard of its own
  const before = document.activeElement;
  document.body.append(area);
  area.focus({ preventScroll: true });
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

// Tabs, as the ARIA practices have them; without this script all panels stand below one another.
function addTabs(root) {
  const panels = [...root.querySelectorAll("[data-tab]")];
  const list = make("div", { className: "tabs", role: "tablist" });
  list.setAttribute("aria-label", root.dataset.tabs);
  const tabs = panels.map((panel) => {
    const heading = panel.querySelector("h3");
    heading.classList.add("unseen");
    const tab = make("button", { type: "button", id: `tab-${panel.id}`, textContent: heading.textContent, role: "tab" });
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  });
  const choose = (chosen, focus = true) => tabs.forEach((tab, place) => {
    const own = place === chosen;
    tab.setAttribute("aria-selected", own);
    tab.tabIndex = own ? 0 : -1;
    panels[place].toggleAttribute(HIDDEN, !own);
    if (own && focus) tab.focus();
  });
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => choose(place));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const target = step ? (place + step + tabs.length) % tabs.length : { Home: 0, End: tabs.length - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      choose(target);
    });
  });
  list.append(...tabs);
  root.prepend(list);
  choose(0, false);
}

// Live figures: asked again now and then, but not while nobody looks.
const FAILURES = 3; // in a row, until it is told that the figures are old
function keepLive(part) {
  const line = make("div", { role: "status" });
  part.before(line);
  let asking = false, failed = 0, seen = new Date();
  const refresh = async () => {
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } }).catch(() => null);
      const html = answer?.ok ? await answer.text().catch(() => null) : null;
      if (answer?.status === 401) {
        stop();
        line.replaceChildren(make("p", { className: "note" }, "Your session has ended: ", make("a", { href: "/account", textContent: "sign in again" }), "."));
      } else if (html === null) {
        failed += 1;
        const text = `These figures are from ${seen.toISOString().slice(11, 16)} UTC; the server does not answer.`;
        if (failed === FAILURES) line.replaceChildren(make("p", { className: "note bad", textContent: text }));
      } else {
        if (failed) line.replaceChildren();
        [failed, seen] = [0, new Date()];
        renew(part, html);
      }
    } finally { asking = false; }
  };
  const timer = setInterval(refresh, 1000 * Number(part.dataset.every || 5));
  document.addEventListener("visibilitychange", refresh);
  const stop = () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", refresh);
  };
}

// Fill a part anew, but for what a person is at: the element that has the focus waits until it can stay.
function renew(part, html) {
  const fresh = make("template", { innerHTML: html }).content;
  const focused = document.activeElement;
  const around = part.contains(focused) && focused.closest("[id]");
  if (around && part !== around && part.contains(around) && !fresh.getElementById(around.id)) return;
  become(part, fresh);
}

// Make an element like a fresh one. What is in both stays the same element, and with it focus, scrolling and what is
// open. Children are the same by their place, or by their id where they have one.
function become(old, fresh) {
  const nodes = [...fresh.childNodes];
  const ids = new Set(nodes.map((each) => each.id));
  for (const each of [...old.children]) if (each.id && !ids.has(each.id)) each.remove();
  old.normalize();
  nodes.forEach((node, place) => {
    let own = old.childNodes[place];
    if (node.id && node.id !== own?.id) own = [...old.children].find((each) => each.id === node.id);
    if (own && own !== old.childNodes[place]) old.insertBefore(own, old.childNodes[place]);
    if (own?.nodeName !== node.nodeName || (own.id ?? "") !== (node.id ?? "")) {
      old.insertBefore(node, old.childNodes[place] ?? null);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      for (const { name } of [...own.attributes]) if (name !== "open" && !node.hasAttribute(name)) own.removeAttribute(name);
      for (const { name, value } of node.attributes) if (name !== "open" && own.getAttribute(name) !== value) own.setAttribute(name, value);
      become(own, node);
    } else if (own.data !== node.data) {
      own.data = node.data;
    }
  });
  while (old.childNodes.length > nodes.length) old.lastChild.remove();
}

addCopyButtons(document);
document.querySelectorAll("[data-tabs]").forEach(addTabs);
document.querySelectorAll("[data-live]").forEach(keepLive);
