// Changes a live region to what the server drew, touching only what differs: focus, scroll
// position, text selection and opened details outlive every update.

// What the reader did to an element is not the server's to undo.
const OF_THE_READER = new Set(["open"]);

function sameKind(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && old.id === fresh.id;
}

function updateAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OF_THE_READER.has(name)) old.removeAttribute(name);
  }
}

// Where a child carries a key, it is found again by it: a row that moved keeps its element.
function keyed(parent) {
  const children = [...parent.children].filter((child) => child.dataset.key);
  return new Map(children.map((child) => [child.dataset.key, child]));
}

function updateChildren(old, fresh) {
  const known = keyed(old);
  let next = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted.dataset?.key;
    const match = key ? known.get(key) : next && !next.dataset?.key && sameKind(next, wanted) && next;
    if (!match) {
      old.insertBefore(wanted, next);
      continue;
    }
    if (match === next) next = next.nextSibling;
    else old.insertBefore(match, next);
    update(match, wanted);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

export function update(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  // What was drawn is changed by who drew it.
  if (old.matches(".js-plotly-plot")) {
    old.ariaLabel = fresh.ariaLabel;
    return;
  }
  updateAttributes(old, fresh);
  // What a form's field holds, and a dialog that is open, belong to the reader.
  if (!old.matches("input, select, textarea, dialog[open]")) updateChildren(old, fresh);
}

globalThis.htmx?.defineExtension("in-place", {
  isInlineSwap: (style) => style === "in-place",
  handleSwap(style, target, fragment) {
    if (style !== "in-place") return false;
    const fresh = fragment.firstElementChild;
    if (!fresh || !sameKind(target, fresh)) return false;
    update(target, fresh);
    return [target];
  },
});
