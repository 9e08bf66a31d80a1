// Passkeys: asks the browser for one, and sends its answer with the page's form. Where there is no script, or no
// passkeys, the form stays hidden: the password is there for all.
const fromText = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const withIds = (list = []) => list.map((it) => ({ ...it, id: fromText(it.id) }));

// Not every browser reads and writes JSON itself.
function optionsOf(form) {
  const json = JSON.parse(form.dataset.options);
  const parse = json.user ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  if (PublicKeyCredential[parse]) return PublicKeyCredential[parse](json);
  const options = { ...json, challenge: fromText(json.challenge) };
  if (json.user) options.user = { ...json.user, id: fromText(json.user.id) };
  if (json.excludeCredentials) options.excludeCredentials = withIds(json.excludeCredentials);
  if (json.allowCredentials) options.allowCredentials = withIds(json.allowCredentials);
  return options;
}

function answerOf(credential) {
  try {
    return JSON.stringify(credential.toJSON());
  } catch {
    // A password manager's own object may have no such method.
  }
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  const { id, type } = credential;
  const rawId = toText(credential.rawId);
  const clientExtensionResults = credential.getClientExtensionResults();
  return JSON.stringify({ id, rawId, type, response, clientExtensionResults });
}

function offer(form) {
  const button = form.querySelector("button.ask");
  const problem = form.querySelector(".problem");
  const isNew = Boolean(JSON.parse(form.dataset.options).user);
  let waiting;

  const send = (credential) => {
    form.elements.passkey.value = answerOf(credential);
    form.submit();
  };
  const complain = ({ name }) => {
    if (name === "AbortError") return;
    const { taken, cancelled, failed } = form.dataset;
    problem.textContent = { InvalidStateError: taken, NotAllowedError: cancelled }[name] ?? failed;
    problem.hidden = false;
  };
  // Beside what the browser fills into the field of the username.
  const wait = async () => {
    if (isNew || !form.dataset.autofill || !await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
    waiting = new AbortController();
    const { signal } = waiting;
    navigator.credentials.get({ publicKey: optionsOf(form), mediation: "conditional", signal }).then(send, complain);
  };
  const ask = async () => {
    waiting?.abort();
    problem.hidden = true;
    button.disabled = true;
    const publicKey = optionsOf(form);
    try {
      send(await (isNew ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey })));
    } catch (error) {
      complain(error);
      button.disabled = false;
      await wait();
    }
  };
  form.hidden = false;
  button.addEventListener("click", ask);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!button.disabled) ask();
  });
  addEventListener("pageshow", () => { button.disabled = false; });
  wait();
}

if (window.PublicKeyCredential) {
  document.querySelectorAll("form.passkey").forEach(offer);
  document.querySelectorAll(".no-passkeys").forEach((it) => { it.hidden = true; });
  for (const it of document.querySelectorAll("[data-signals]")) {
    for (const [signal, what] of JSON.parse(it.dataset.signals)) PublicKeyCredential[signal]?.(what).catch(() => {});
  }
}
