// What the pages can do with a script; all of them work without it.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const token = $('meta[name="studytime-token"]')?.content ?? "";
  const make = (tag, props = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...children);
    return element;
  };
  const later = (wait, run) => {
    let timer;
    return (...args) => {
      clearTimeout(timer);
      timer = setTimeout(() => run(...args), wait);
    };
  };

  // Moments with a clock are shown in the reader's own time.
  const clocks = (root) => $$("time[data-clock]", root).forEach((time) => {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  });

  // Completions under a search field: an ARIA combobox.
  const kinds = { course: "Course", category: "Subject", subject: "Subject", keyword: "Search" };
  const suggest = (input, index) => {
    const list = make("ul", { className: "suggest", id: `suggest-${index}`, hidden: true });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    input.closest("form").classList.add("has-suggest");
    input.parentElement.append(list);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", list.id);
    let active = -1;
    let asked = 0;
    const close = () => {
      list.hidden = true;
      active = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const choose = (at) => {
      active = at;
      [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
      const item = list.children[at];
      if (item) {
        input.setAttribute("aria-activedescendant", item.id);
        item.scrollIntoView({ block: "nearest" });
      } else input.removeAttribute("aria-activedescendant");
    };
    const ask = later(90, async () => {
      const text = input.value.trim();
      const turn = ++asked;
      if (!text) return close();
      try {
        const answer = await fetch(`/api/suggest?limit=8&q=${encodeURIComponent(text)}`);
        const found = answer.ok ? await answer.json() : [];
        if (turn !== asked || document.activeElement !== input) return;
        list.replaceChildren(...found.map((one, i) => {
          const item = make("li", { id: `${list.id}-${i}` }, make("span", { textContent: one.text, dir: "auto" }), make("span", { className: "what", textContent: kinds[one.kind] ?? "" }));
          item.setAttribute("role", "option");
          item.dataset.href = one.href;
          return item;
        }));
        if (!found.length) return close();
        list.hidden = false;
        input.setAttribute("aria-expanded", "true");
        choose(-1);
      } catch {
        close();
      }
    });
    close();
    input.addEventListener("input", ask);
    input.addEventListener("blur", () => setTimeout(close, 150));
    input.addEventListener("keydown", (event) => {
      const count = list.children.length;
      if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        asked++;
        close();
      } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !list.hidden) {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : -1;
        choose(((active + 1 + step + count + 1) % (count + 1)) - 1);
      } else if (event.key === "Enter" && active >= 0) {
        event.preventDefault();
        location.href = list.children[active].dataset.href;
      }
    });
    list.addEventListener("mousedown", (event) => {
      const item = event.target.closest("li");
      if (item) {
        event.preventDefault();
        location.href = item.dataset.href;
      }
    });
  };

  // Fetches a page of ours and takes regions of it over into this one.
  // Gives whether that was done; not when it is no longer `wanted`.
  const swap = async (url, ids, wanted = () => true) => {
    const answer = await fetch(url, { headers: { accept: "text/html" } });
    if (!answer.ok) return false;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!wanted()) return false;
    for (const id of ids) {
      const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
      if (!old || !fresh || old.contains(document.activeElement) && old.matches("[data-refresh]")) continue;
      // A field in use is left alone; the rest of its region may change.
      const focus = document.activeElement?.id;
      old.replaceChildren(...fresh.childNodes);
      if (focus && document.activeElement === document.body) document.getElementById(focus)?.focus();
      clocks(old);
    }
    const title = page.getElementById("results-title");
    if (ids.includes("results") && title) {
      document.getElementById("results-title").textContent = title.textContent;
      document.title = page.title;
    }
    return true;
  };

  // Search as you type: the form's results follow its fields. A filter is a step
  // to go back from; a letter is none.
  const live = (form) => {
    const region = document.getElementById(form.dataset.live);
    const regions = [region.id, "filter-fields", "sort-field"];
    let turn = 0;
    let here = location.search;
    const show = async (url, shown) => {
      const mine = ++turn;
      region.classList.add("busy");
      try {
        if (await swap(url, regions, () => mine === turn)) shown();
      } catch { /* The button still works. */ }
      if (mine === turn) region.classList.remove("busy");
    };
    const run = (step) => {
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value && value !== "relevance"));
      const url = `${query}` ? `/courses?${query}` : "/courses";
      return show(url, () => {
        if (url === location.pathname + location.search) return;
        history[step ? "pushState" : "replaceState"](null, "", url);
        here = location.search;
      });
    };
    const soon = later(140, run);
    form.addEventListener("input", (event) => event.target.type === "search" && soon(false));
    form.addEventListener("change", (event) => {
      if (event.target.type === "search") return;
      // Subjects are those of a field.
      if (event.target.name === "category") $('[name="subject"]', form)?.replaceChildren();
      run(true);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(false);
    });
    addEventListener("popstate", () => {
      // A jump within the page is no other page.
      if (location.search === here) return;
      here = location.search;
      show(location.href, () => {
        $('[type="search"]', form).value = new URLSearchParams(here).get("q") ?? "";
      });
    });
  };

  // The player: speed, steps, keys, transcript, and telling the node where the learner is.
  const speeds = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];
  const player = (figure) => {
    const video = $("video", figure);
    const { course, item } = figure.dataset;
    const start = Number(figure.dataset.start) || 0;
    const key = `studytime-watched-${item}`;
    const watched = new Set();
    try {
      JSON.parse(localStorage.getItem(key) ?? "[]").forEach(([from, to]) => {
        for (let s = from; s <= to && s < 1e5; s++) watched.add(s);
      });
    } catch { /* A fresh count is fine. */ }
    const ranges = () => {
      const out = [];
      [...watched].sort((a, b) => a - b).forEach((s) => {
        const last = out[out.length - 1];
        if (last && s === last[1] + 1) last[1] = s;
        else out.push([s, s]);
      });
      return out;
    };
    let sent = -1;
    const save = (settled) => {
      const at = Math.floor(video.currentTime);
      if (!video.duration || (at === sent && !settled)) return;
      sent = at;
      // What counts is what was really watched, not how far one skipped.
      const percent = Math.min(100, Math.round(100 * watched.size / Math.max(1, Math.floor(video.duration))));
      try { localStorage.setItem(key, JSON.stringify(ranges())); } catch { /* Full or forbidden. */ }
      fetch("/api/position", {
        method: "POST", keepalive: true,
        headers: { "content-type": "application/json", "x-studytime-token": token },
        body: JSON.stringify({ course, item, position_seconds: at, percent, settled }),
      }).catch(() => {});
    };
    const begin = () => {
      if (start > 0 && start < video.duration - 3 && video.currentTime < 1) video.currentTime = start;
    };
    if (video.readyState > 0) begin();
    else video.addEventListener("loadedmetadata", begin, { once: true });
    let played = false;
    video.addEventListener("timeupdate", () => {
      if (video.paused || video.seeking) return;
      played = true;
      watched.add(Math.floor(video.currentTime));
      if (Math.floor(video.currentTime) % 10 === 0) save(false);
    });
    video.addEventListener("pause", () => played && save(true));
    video.addEventListener("ended", () => save(true));
    addEventListener("pagehide", () => played && save(true));

    const step = (seconds) => {
      video.currentTime = Math.max(0, Math.min(video.duration || 0, video.currentTime + seconds));
    };
    const rate = (value) => {
      video.playbackRate = value;
      select.value = String(value);
      try { localStorage.setItem("studytime-speed", String(value)); } catch { /* Only for now. */ }
    };
    const select = make("select", {}, ...speeds.map((s) => make("option", { value: String(s), textContent: `${s}×` })));
    select.setAttribute("aria-label", "Speed");
    select.addEventListener("change", () => rate(Number(select.value)));
    const button = (text, label, run) => {
      const b = make("button", { type: "button", className: "quiet", textContent: text, title: label });
      b.setAttribute("aria-label", label);
      b.addEventListener("click", run);
      return b;
    };
    const tools = make("div", { className: "player-tools", lang: "en", dir: "ltr" },
      button("−10 s", "−10 s: back 10 seconds", () => step(-10)),
      button("+10 s", "+10 s: forward 10 seconds", () => step(10)),
      make("label", {}, "Speed ", select),
      make("span", { className: "muted", textContent: "Keys: space, ← →, J L, < >, C, F, M" }));
    $("figcaption", figure).append(tools);
    let speed = 1;
    try { speed = Number(localStorage.getItem("studytime-speed")) || 1; } catch { /* Normal speed. */ }
    rate(speeds.includes(speed) ? speed : 1);

    // Keys work while the player has the focus, and never take one from a field.
    figure.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, input, textarea, a, summary")) return;
      const onButton = event.target.closest("button");
      const index = speeds.indexOf(video.playbackRate);
      const keys = {
        " ": () => (video.paused ? video.play() : video.pause()),
        k: () => (video.paused ? video.play() : video.pause()),
        ArrowLeft: () => step(-5), ArrowRight: () => step(5), j: () => step(-10), l: () => step(10),
        ArrowUp: () => { video.volume = Math.min(1, video.volume + 0.1); },
        ArrowDown: () => { video.volume = Math.max(0, video.volume - 0.1); },
        m: () => { video.muted = !video.muted; },
        f: () => (document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen?.()),
        c: () => {
          const tracks = [...video.textTracks].filter((t) => t.kind !== "metadata" && t.kind !== "chapters");
          const on = tracks.find((t) => t.mode === "showing");
          if (on) on.mode = "hidden";
          else if (tracks[0]) tracks[0].mode = "showing";
        },
        "<": () => rate(speeds[Math.max(0, index - 1)]), ">": () => rate(speeds[Math.min(speeds.length - 1, index + 1)]),
      };
      const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!run || (onButton && event.key === " ")) return;
      event.preventDefault();
      run();
    });

    // A transcript to read along and to jump by.
    const element = $("track", video);
    if (element) {
      const fold = make("details", { className: "transcript" }, make("summary", { textContent: "Transcript" }));
      const lines = make("ol", { dir: "auto", lang: element.srclang || "" });
      fold.append(lines);
      fold.addEventListener("toggle", () => {
        const track = element.track;
        if (!fold.open || lines.children.length) return;
        if (track.mode === "disabled") track.mode = "hidden";
        const fill = () => {
          const text = (cue) => { const holder = make("div"); holder.append(cue.getCueAsHTML()); return holder.textContent; };
          const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
          lines.replaceChildren(...[...track.cues ?? []].map((cue) => {
            const b = make("button", { type: "button" }, make("span", { className: "when", textContent: clock(cue.startTime) }), make("span", { textContent: text(cue) }));
            b.addEventListener("click", () => { video.currentTime = cue.startTime; });
            cue.addEventListener("enter", () => { b.setAttribute("aria-current", "true"); });
            cue.addEventListener("exit", () => { b.removeAttribute("aria-current"); });
            return make("li", {}, b);
          }));
        };
        if (track.cues?.length) fill();
        else element.addEventListener("load", fill, { once: true });
      });
      $("figcaption", figure).append(fold);
    }
  };

  // What happens in the node shows without reloading.
  const events = () => {
    const regions = $$("[data-refresh]");
    const bars = $$("[data-download]");
    if (!regions.length && !bars.length) return;
    const refresh = later(700, (kind) => {
      const ids = regions.filter((r) => r.dataset.refresh.split(" ").includes(kind)).map((r) => r.id);
      if (ids.length) swap(location.href, ids).catch(() => {});
    });
    const size = (bytes) => {
      const units = ["B", "kB", "MB", "GB", "TB"];
      let unit = 0;
      while (bytes >= 999.5 && unit < 4) { bytes /= 1000; unit++; }
      return `${bytes < 9.95 && unit ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
    };
    let source;
    const open = () => {
      source = new EventSource("/api/events");
      source.addEventListener("download", (event) => {
        const { feed_id: feed, bytes_here: here, bytes_total: total, complete } = JSON.parse(event.data);
        $$("[data-download]").filter((bar) => bar.dataset.download === feed).forEach((bar) => {
          bar.value = complete ? 100 : Math.min(99, Math.floor(100 * here / Math.max(1, total)));
        });
        $$("[data-download-text]").filter((text) => text.dataset.downloadText === feed).forEach((text) => {
          text.textContent = complete ? `All here, ${size(total)}` : `${size(here)} of ${size(total)} here`;
        });
        refresh("download");
      });
      source.addEventListener("problem", (event) => { $("#notice").textContent = JSON.parse(event.data).text; });
      for (const kind of ["catalog_changed", "peer", "lock", "storage", "downloads_changed"]) source.addEventListener(kind, () => refresh(kind));
    };
    // A browser allows six connections a site; a hidden tab needs none.
    const follow = () => {
      if (document.hidden) source?.close();
      else open();
    };
    document.addEventListener("visibilitychange", () => { source?.close(); follow(); });
    addEventListener("pagehide", () => source?.close());
    follow();
  };

  clocks(document);
  $$("input[data-suggest]").forEach(suggest);
  $$("form[data-live]").forEach(live);
  $$(".player").forEach(player);
  $$("input[data-select]").forEach((input) => input.addEventListener("focus", () => input.select()));
  if (navigator.clipboard) {
    $$("button[data-copy]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
        $("#notice").textContent = "Copied.";
      });
    });
  }
  if (matchMedia("(max-width: 60rem)").matches) $$(".filters .more, .side-fold").forEach((fold) => { fold.open = false; });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
    const field = $('input[type="search"]');
    if (field) {
      event.preventDefault();
      field.focus();
    }
  });
  events();
})();
