// Opens confirmations as dialogs on the page they belong to, and dismisses messages.
// Without this script the server renders a requested dialog open, and messages stay.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog) {
    event.preventDefault();
    if (dialog.open) dialog.close();
    dialog.showModal();
  }
  const closer = event.target.closest("[data-dialog-close]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog").close();
  }
  event.target.closest("[data-toast-close]")?.closest("[data-toast]").remove();
});

// role="button" on a link: the space bar presses it too.
document.addEventListener("keydown", (event) => {
  if (event.key === " " && event.target.matches?.("a[role=button]")) {
    event.preventDefault();
    event.target.click();
  }
});

document.addEventListener("input", (event) => {
  const wanted = event.target.dataset?.mustEqual;
  if (wanted === undefined) return;
  const typed = event.target.value.trim();
  event.target.setCustomValidity(typed === wanted ? "" : `Type ${wanted} exactly.`);
});

for (const button of document.querySelectorAll("[data-toast-close]")) button.hidden = false;
