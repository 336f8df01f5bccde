// Starts the console: the door, the views, and what both share.

import { Api } from "./api.js";
import { byId, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Live } from "./live.js";
import { Playground } from "./playground.js";

const VIEWS = ["playground", "live"];
const THEMES = ["system", "light", "dark"];
const LINKS = { live: "Connected", lost: "Connecting again", refused: "Key refused" };

const api = new Api();
const feed = new Feed(api);
const playground = new Playground(api, feed);
const live = new Live(feed);
const keyless = document.documentElement.dataset.key === "none";

function show(view, { focus = false } = {}) {
  for (const name of VIEWS) {
    const chosen = name === view;
    byId(name).hidden = !chosen;
    const tab = byId(`tab-${name}`);
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  scrollTo(0, 0);
  history.replaceState(null, "", `#${view}`);
}

async function enter() {
  const { data } = await api.json("v1/models");
  byId("door").hidden = true;
  document.querySelector(".tabs").hidden = false;
  byId("link").hidden = false;
  byId("leave").hidden = keyless;
  playground.offer(data);
  show(location.hash === "#live" ? "live" : "playground");
  feed.start();
}

function leave(words = "") {
  feed.stop();
  api.signOut();
  playground.clear();
  live.clear();
  for (const name of VIEWS) byId(name).hidden = true;
  document.querySelector(".tabs").hidden = true;
  byId("link").hidden = byId("leave").hidden = true;
  byId("door").hidden = false;
  byId("refused").textContent = words;
  byId("key").value = "";
  byId("key").focus();
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  api.signIn(byId("key").value.trim());
  try {
    await enter();
    byId("key").value = "";
    say("Signed in");
    byId("tab-playground").focus();
  } catch (error) {
    leave(error.message);
  }
});

byId("leave").addEventListener("click", () => leave());

for (const [index, name] of VIEWS.entries()) {
  byId(`tab-${name}`).addEventListener("click", () => show(name));
  byId(`tab-${name}`).addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) show(VIEWS[(index + step + VIEWS.length) % VIEWS.length], { focus: true });
  });
}

feed.addEventListener("link", ({ detail }) => {
  byId("link").dataset.link = detail;
  byId("link").textContent = LINKS[detail];
});

function dress(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}
dress(THEMES.find((theme) => theme === localStorage.getItem("image-router-theme")) ?? "system");
byId("theme").addEventListener("click", () => {
  const now = THEMES.indexOf(document.documentElement.dataset.theme);
  const theme = THEMES[(now + 1) % THEMES.length];
  localStorage.setItem("image-router-theme", theme);
  dress(theme);
});

if (keyless || api.signedIn) enter().catch((error) => leave(error.message));
else leave();
