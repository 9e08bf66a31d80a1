// smtp-server: a mail server as others run it, that takes mail in the way and the manner that a test wants. mailparser
// reads what it takes.
import { readFileSync } from "node:fs";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";

const { WAY, MANNER, CERTIFICATE, KEY } = process.env;
const fault = (responseCode) => Object.assign(new Error("not this one"), { responseCode });
/** The test goes on when something went wrong here. */
const wrong = () => console.log(JSON.stringify({ wrong: MANNER }));
const sockets = [];
let tries = 0;

const server = new SMTPServer({
  cert: readFileSync(CERTIFICATE),
  key: readFileSync(KEY),
  secure: WAY === "implicit",
  authOptional: WAY === "plain",
  disabledCommands: WAY === "plain" ? ["AUTH", "STARTTLS"] : [],
  onAuth({ username, password }, session, answer) {
    if (username === "heirloom" && password === "hush") answer(null, { user: username });
    else answer(fault(535));
  },
  onRcptTo(address, session, answer) {
    if (MANNER === "refuse") return answer(fault(550));
    if (MANNER === "greylist" && tries++ === 0) return wrong(), answer(fault(451));
    answer();
  },
  async onData(stream, session, answer) {
    const mail = await simpleParser(stream);
    if (MANNER === "drop" && tries++ === 0) return wrong(), sockets.at(-1).destroy();
    // It says so when nobody waits for it any more.
    if (MANNER === "slow" && tries++ === 0) return wrong(), setTimeout(() => answer(), 3000);
    const { subject, text, html, messageId, headers } = mail;
    const { secure, user, envelope } = session;
    const automatic = headers.get("auto-submitted");
    const to = envelope.rcptTo.map((it) => it.address);
    const from = mail.from.text;
    console.log(JSON.stringify({ to, from, subject, text, html, messageId, automatic, secure, user }));
    answer();
  },
});
// A client that goes away is no fault here.
server.on("error", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.server.address().port));
server.server.on("connection", (socket) => sockets.push(socket));
