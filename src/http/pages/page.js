// What a page is more pleasant with, and works without: a form is sent once, a password can be looked at, and times
// are those of the reader's own zone.
const buttonsOf = (form) => form.querySelectorAll("button:not([type=button])");
const setBusy = (form, busy) => buttonsOf(form).forEach((button) => { button.disabled = busy; });

for (const form of document.forms) {
  const passwords = [...form.querySelectorAll("input[type=password]")];
  const show = form.querySelector("button.show");
  const setShown = (shown) => {
    passwords.forEach((input) => { input.type = shown ? "text" : "password"; });
    show?.setAttribute("aria-pressed", shown);
  };
  if (show) {
    show.hidden = false;
    show.addEventListener("click", () => setShown(show.getAttribute("aria-pressed") !== "true"));
  }
  form.addEventListener("submit", () => {
    // What is typed into a field of text, browsers offer again.
    setShown(false);
    // A button that is disabled at once would not be sent along.
    setTimeout(() => setBusy(form, true));
    // Whoever stopped the page can press it again.
    setTimeout(() => setBusy(form, false), 10000);
  });
}
addEventListener("pageshow", () => [...document.forms].forEach((form) => setBusy(form, false)));

const language = document.documentElement.lang;
const locale = navigator.languages.find((it) => it.split("-")[0] === language) ?? language;
const inWords = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  time.textContent = inWords.format(new Date(time.dateTime));
}
