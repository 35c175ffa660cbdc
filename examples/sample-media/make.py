#!/usr/bin/env python3
"""Draws the pictures, the film and the sheet of the sample course.

Needs chromium and ffmpeg. Run from anywhere; writes into ../sample-course.
All of it is made here from shapes and words of our own.
"""
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "sample-course"
INK, PAPER, BLUE, TEAL, AMBER, ROSE = "#1d2733", "#fbfaf6", "#2f5fa8", "#1f8a7d", "#e0a030", "#c4516b"
FONT = "DejaVu Sans, sans-serif"


def person(x, y, color, label, folder=True):
    s = f'<circle cx="{x}" cy="{y - 46}" r="22" fill="{color}"/>'
    s += f'<path d="M{x - 38} {y + 34} q0 -52 38 -52 q38 0 38 52 z" fill="{color}"/>'
    if folder:
        s += f'<path d="M{x - 24} {y + 10} h18 l6 7 h24 v28 h-48 z" fill="{PAPER}" stroke="{INK}" stroke-width="2.5"/>'
    s += f'<text x="{x}" y="{y + 74}" font-size="22" text-anchor="middle" fill="{INK}">{label}</text>'
    return s


def arrow(x1, y1, x2, y2, dash=False):
    d = ' stroke-dasharray="9 8"' if dash else ""
    return (f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{INK}" stroke-width="3.5"{d} '
            'marker-end="url(#a)"/>')


def svg(w, h, body, bg=PAPER):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
            f'font-family="{FONT}"><defs><marker id="a" viewBox="0 0 10 10" refX="8" refY="5" '
            f'markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{INK}"/>'
            f'</marker></defs><rect width="{w}" height="{h}" fill="{bg}"/>{body}</svg>')


def chromium(*args):
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--hide-scrollbars", f"--user-data-dir={profile}", *args],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def draw(name, w, h, body, bg=PAPER, folder=OUT / "pictures"):
    with tempfile.TemporaryDirectory() as tmp:
        page = pathlib.Path(tmp) / "p.html"
        page.write_text(f'<meta charset="utf-8"><body style="margin:0">{svg(w, h, body, bg)}')
        png = folder / f"{name}.png"
        chromium(f"--screenshot={png}", f"--window-size={w},{h}", page.as_uri())
        small = pathlib.Path(tmp) / "s.png"
        palette = "split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none"
        subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", png, "-vf", palette, small], check=True)
        png.write_bytes(small.read_bytes())


def cover():
    b = f'<rect width="800" height="450" fill="{BLUE}"/>'
    for i, c in enumerate([TEAL, AMBER, ROSE, "#6d86b8", "#89b8a8"]):
        b += f'<rect x="{90 + i * 128}" y="{250 - i * 22}" width="96" height="{120 + i * 22}" rx="8" fill="{c}"/>'
    b += f'<path d="M0 370 h800 v80 h-800 z" fill="{INK}"/>'
    b += '<text x="90" y="120" font-size="52" font-weight="bold" fill="#fff">Learning with</text>'
    b += '<text x="90" y="182" font-size="52" font-weight="bold" fill="#fff">StudyTime</text>'
    draw("cover", 800, 450, b, folder=OUT)


def journey():
    b = person(120, 150, BLUE, "author") + person(430, 150, TEAL, "learner") + person(740, 150, AMBER, "next learner")
    b += arrow(180, 140, 365, 140) + arrow(490, 140, 675, 140)
    b += f'<text x="272" y="122" font-size="18" text-anchor="middle" fill="{INK}">signed texts</text>'
    b += f'<text x="272" y="170" font-size="18" text-anchor="middle" fill="{INK}">files</text>'
    b += f'<text x="582" y="122" font-size="18" text-anchor="middle" fill="{INK}">the same,</text>'
    b += f'<text x="582" y="170" font-size="18" text-anchor="middle" fill="{INK}">unchanged</text>'
    draw("journey", 860, 270, b)


def search():
    b = f'<rect x="60" y="36" width="740" height="58" rx="29" fill="#fff" stroke="{BLUE}" stroke-width="4"/>'
    b += f'<text x="96" y="73" font-size="26" fill="{INK}">crypto|</text>'
    b += f'<circle cx="752" cy="62" r="13" fill="none" stroke="{BLUE}" stroke-width="4"/><line x1="762" y1="72" x2="774" y2="84" stroke="{BLUE}" stroke-width="5"/>'
    rows = [("Cryptography for beginners", "in the title", TEAL), ("Mathematics of secrets", "in the keywords", AMBER),
            ("Networks, week 4", "in a lesson: “… cryptographic hash …”", ROSE)]
    for i, (t, s, c) in enumerate(rows):
        y = 120 + i * 70
        b += f'<rect x="60" y="{y}" width="740" height="58" rx="10" fill="#fff" stroke="#d8d4c8"/>'
        b += f'<rect x="60" y="{y}" width="12" height="58" rx="5" fill="{c}"/>'
        b += f'<text x="92" y="{y + 26}" font-size="21" font-weight="bold" fill="{INK}">{t}</text>'
        b += f'<text x="92" y="{y + 48}" font-size="17" fill="#55606c">{s}</text>'
    draw("search", 860, 345, b)


def mesh_body(scale=1.0, gone=False):
    pts = [(140, 150), (430, 110), (720, 150), (290, 330), (580, 330)]
    cols = [BLUE, TEAL, AMBER, ROSE, "#6d86b8"]
    b = ""
    for i in range(5):
        for j in range(i + 1, 5):
            if (i, j) in [(0, 4), (2, 3), (0, 2)] or (gone and i == 0):
                continue
            b += f'<line x1="{pts[i][0]}" y1="{pts[i][1]}" x2="{pts[j][0]}" y2="{pts[j][1]}" stroke="#9aa5b1" stroke-width="4"/>'
    for i, (x, y) in enumerate(pts):
        fade = ' opacity="0.22"' if gone and i == 0 else ""
        b += f'<g{fade}><circle cx="{x}" cy="{y}" r="58" fill="{PAPER}"/>{person(x, y + 12, cols[i], "")}</g>'
    return b


def mesh():
    draw("mesh", 860, 430, mesh_body())


def film():
    tmp = pathlib.Path(tempfile.mkdtemp())
    def title(t):
        return f'<text x="640" y="640" font-size="38" text-anchor="middle" fill="{INK}">{t}</text>'
    folder = f'<path d="M440 220 h150 l40 48 h210 v260 h-400 z" fill="{AMBER}"/>'
    for i, c in enumerate([BLUE, TEAL, ROSE]):
        folder += f'<rect x="{480 + i * 110}" y="330" width="84" height="120" rx="8" fill="{c}"/>'
    signed = folder + f'<path d="M500 560 q60 -60 100 0 t110 -10 t120 0" stroke="{BLUE}" stroke-width="8" fill="none"/>'
    group = f'<g transform="translate(210 90)">{mesh_body()}</g>'
    lost = f'<g transform="translate(210 90)">{mesh_body(gone=True)}</g>'
    on = (person(300, 330, TEAL, "") + person(640, 330, AMBER, "") + person(980, 330, ROSE, "")
          + arrow(370, 320, 560, 320) + arrow(710, 320, 900, 320))
    scenes = [(folder, "A course lives in a folder"), (signed, "Signed, and named by its own bytes"),
              (group, "Fetched from whoever has it"), (lost, "The author may go, the course stays"),
              (on, "And it is passed on")]
    for i, (body, text) in enumerate(scenes):
        draw(f"s{i}", 1280, 720, body + title(text), folder=tmp)
    inputs, parts = [], []
    for i in range(5):
        inputs += ["-loop", "1", "-t", "6", "-i", str(tmp / f"s{i}.png")]
        parts.append(f"[{i}:v]scale=960:540,zoompan=z='1+0.0006*on':d=1:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':s=854x480:fps=24,"
                     f"fade=t=in:d=0.4,fade=t=out:st=5.6:d=0.4,format=yuv420p[v{i}]")
    tones = "+".join(f"0.05*sin(2*PI*{f}*t)*exp(-mod(t\\,6)/2.2)" for f in (261.6, 329.6, 392.0))
    inputs += ["-f", "lavfi", "-t", "30", "-i", f"aevalsrc={tones}:s=44100"]
    graph = ";".join(parts) + ";" + "".join(f"[v{i}]" for i in range(5)) + "concat=n=5:v=1:a=0[v]"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]", "-map", "5:a",
                    "-c:v", "libx264", "-preset", "slow", "-crf", "30", "-g", "48", "-c:a", "aac", "-b:a", "48k",
                    "-movflags", "+faststart", "-fflags", "+bitexact", "-map_metadata", "-1",
                    OUT / "01 First steps" / "03_A_first_look.mp4"], check=True)


def sheet():
    html = f"""<meta charset="utf-8"><title>StudyTime on one page</title>
<style>@page{{size:A4;margin:22mm}}body{{font:12pt/1.5 {FONT};color:{INK}}}h1{{color:{BLUE}}}h2{{font-size:14pt;margin-bottom:0}}
code{{background:#eee;padding:0 .3em}}</style>
<h1>StudyTime on one page</h1>
<h2>Study</h2><ul><li>Choose a subject or search. Everything is searched on your device.</li>
<li>Press Start: the course is fetched in the order of its lessons.</li><li>Read and watch at once, offline afterwards.</li></ul>
<h2>Remember</h2><ul><li>Say it in your own words. Space it out. Test yourself.</li><li>Your notes are encrypted; only you can read them.</li></ul>
<h2>Share</h2><ul><li><code>studytime import FOLDER</code> makes a course.</li><li><code>studytime catalog new NAME</code> makes a list.</li>
<li>Hand on your address from the Network page.</li></ul>
<h2>Why it lasts</h2><p>Texts are signed, files are named by their own bytes, and every learner passes the course on. There is no centre that could be closed.</p>"""
    with tempfile.TemporaryDirectory() as tmp:
        page = pathlib.Path(tmp) / "p.html"
        page.write_text(html)
        chromium(f"--print-to-pdf={OUT / '03 Sharing' / '02_Lists_and_peers.pdf'}", "--no-pdf-header-footer", page.as_uri())


if __name__ == "__main__":
    (OUT / "pictures").mkdir(exist_ok=True)
    for make in (cover, journey, search, mesh, film, sheet):
        make()
