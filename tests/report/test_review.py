"""The review server: who is let in, what it shows, what it keeps, and what it refuses."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import make_review
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.cli import app
from snellen.recipe import flatten
from snellen.report import review_pixels
from snellen.report.review import ReviewServer
from snellen.report.review_desk import Desk
from snellen.report.words import TEXT

Serve = Callable[..., ReviewServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(case, lang="en", sample=200) -> a server that runs until the test ends."""
    running = []

    def begin(case: Case, **given: Any) -> ReviewServer:
        server = ReviewServer(Desk(case, **given))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield begin
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


class Reply:
    """A whole answer of the server."""

    def __init__(self, server: ReviewServer, path: str, body: Any = None, /, *, token: bool = True, **headers: str):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        whole = f"/{server.token}/{path}" if token else path
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", whole, data, sent)
        found = connection.getresponse()
        self.status, self.headers, self.body = found.status, found.headers, found.read()
        connection.close()

    @property
    def json(self) -> Any:
        assert self.status == 200, self.body
        return json.loads(self.body)


def image(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def prints(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


# ---- Who is let in


def test_only_this_machine_and_only_with_the_token(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 32
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    assert Reply(server, "").status == 200
    near = server.token[:-1] + ("a" if server.token[-1] != "a" else "b")
    for path in ("/", "/overview", "/item/0", "/image/s0", f"/{near}/overview", f"/x/{server.token}/", "//[", "*"):
        refused = Reply(server, path, token=False)
        assert refused.status == 403, path
        assert server.token.encode() not in refused.body
    assert Reply(server, "/answer", {"n": 0, "answer": "right"}, token=False).status == 403
    assert not server.desk.journal.path.exists()


def test_a_server_that_was_closed_takes_no_more_answers(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    place, kind = f"/{server.token}", {"Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)) as kept:
        kept.request("GET", f"{place}/overview")
        with kept.getresponse() as reply:
            assert reply.read()
        server.shutdown()
        server.server_close()
        with contextlib.suppress(ConnectionError):  # Refused at once, or only when the reply is waited for.
            kept.request("POST", f"{place}/answer", b'{"n": 0, "answer": "right"}', kind)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            kept.getresponse()
    assert not server.desk.journal.path.exists()


def test_a_name_that_was_bound_to_this_machine_is_refused(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    for host in (
        "evil.example",
        f"evil.example:{server.server_port}",
        "127.0.0.1",
        "",
        f"127.0.0.1:{server.server_port}0",
    ):
        assert Reply(server, "", Host=host).status == 403, host
    assert Reply(server, "", Host=f"localhost:{server.server_port}").status == 200


def test_answers_come_from_the_page_only(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    answer = {"n": 0, "answer": "right"}
    assert Reply(server, "answer", answer, Origin="http://evil.example").status == 403
    assert Reply(server, "answer", answer, Content_Type="text/plain").status == 415
    assert Reply(server, "answer", b"x" * 200_000).status == 413
    assert Reply(server, "answer", b"{").status == 400
    assert Reply(server, "answer", b"[" * 50_000).status == 400
    assert Reply(server, "overview", answer).status == 404
    assert not server.desk.journal.path.exists()
    assert Reply(server, "answer", answer, Origin=server.address[: -len(server.token) - 2]).status == 200


def test_what_every_answer_is_sent_with(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    for path in ("", "overview", "image/s0", "nowhere"):
        headers = Reply(server, path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert headers["Cache-Control"] == "no-store"
        assert "Python" not in headers["Server"]


def test_the_page_escapes_the_name_of_its_case(tmp_path: Path, serve: Serve) -> None:
    case = make_review.classification(tmp_path)
    page = serve(case).page
    assert "<i>" not in page.split("<style>")[0]
    assert "case &lt;i&gt;one" in page
    (given,) = re.findall(r'<script type="application/json" id="given">(.*?)</script>', page, re.S)
    assert json.loads(given)["command"] == f"snellen apply '{case.folder}'"


def test_the_languages_say_the_same() -> None:
    english, chinese = (
        flatten(json.loads((TEXT / f"review.{lang}.json").read_text("utf-8"))) for lang in ("en", "zh-CN")
    )
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", chinese[key])), key


# ---- What it shows


def test_files_are_reached_by_catalog_id_only(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    assert Reply(server, "image/s0").status == 200
    tries = ("photo%20%3C0%3E.png", "..%2Fcatalog.parquet", "../../etc/passwd", "%2Fetc%2Fpasswd", "s0/..", "", "s0%00")
    for name in tries:
        assert Reply(server, f"image/{name}").status == 404, name
    for path in ("item/99", "item/-1", f"item/{'9' * 5000}", "item/x", "mask/s0", "pair/s0", "runs/s0", "image/gone"):
        assert Reply(server, path).status == 404, path


def test_images_are_upright_and_no_larger_than_asked_for(tmp_path: Path, serve: Serve) -> None:
    case = make_review.classification(tmp_path)
    photo = case.catalog.paths()[0]
    turned = Image.new("RGB", (300, 100), "red")
    turned.paste("blue", (0, 0, 150, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(photo, "JPEG", exif=exif)
    before = prints(tmp_path)
    server = serve(case)
    shown = image(Reply(server, "image/s0").body)
    assert shown.size == (100, 300)
    assert shown.getpixel((50, 20))[2] > 200  # The left half is above once it is turned.
    small = image(Reply(server, "image/s0?side=30").body)
    assert small.size == (10, 30)
    number = [item.name for item in server.desk.asked.items].index("label_noise|s0")
    assert Reply(server, f"item/{number}").json["image"] == {"width": 100, "height": 300, "problem": ""}
    assert image(Reply(server, "image/s0?side=999999").body).size == (100, 300)
    assert prints(tmp_path) == before


def test_pixels_of_other_kinds(tmp_path: Path) -> None:
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((20, 30), 32768, dtype=np.uint16)).save(deep)
    body, kind = review_pixels.picture(deep, side=100)
    assert kind == "image/png"
    assert image(body).getpixel((0, 0)) == (127, 127, 127)
    whole = tmp_path / "whole.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:9000])
    assert image(review_pixels.picture(cut, side=500)[0]).size == (200, 200)
    (tmp_path / "text.jpg").write_text("this is no image")
    (tmp_path / "drawing.eps").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    for name in ("text.jpg", "drawing.eps"):
        with pytest.raises(review_pixels.Unseen, match="not an image"):
            review_pixels.picture(tmp_path / name, side=100)
    with pytest.raises(review_pixels.Unseen, match="gone"):
        review_pixels.size_of(tmp_path)


def test_a_mask_is_shown_in_colours(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.segmentation(tmp_path))
    places = {item.sample: n for n, item in enumerate(server.desk.asked.items)}
    mask = Reply(server, f"item/{places['s0']}").json["mask"]
    assert [(each["id"], each["name"]) for each in mask["classes"]] == [
        (0, "background"),
        (1, make_review.IMAGE),
        (9, ""),
    ]
    assert mask["classes"][0]["colour"] is None
    assert mask["classes"][1]["share"] == pytest.approx(225 / 4800)
    drawn = image(Reply(server, "mask/s0").body)
    assert drawn.getpixel((0, 0))[3] == 0
    assert "#{:02x}{:02x}{:02x}".format(*drawn.getpixel((10, 10))[:3]) == mask["classes"][1]["colour"]
    assert "#{:02x}{:02x}{:02x}".format(*drawn.getpixel((22, 22))[:3]) == mask["classes"][2]["colour"]
    assert Reply(server, f"item/{places['s1']}").json["mask"]["width"] == 30
    assert Reply(server, f"item/{places['s2']}").json["mask"]["problem"]
    assert Reply(server, "mask/s2").status == 404


def encode(mask: np.ndarray) -> str:
    """COCO's compressed run lengths, written from their definition (maskApi.c, rleToString)."""
    flat = mask.T.reshape(-1).astype(int)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    counts = np.diff(np.concatenate([[0], ends])).tolist()
    text = ""
    for place, count in enumerate(counts):
        value, more = count - (counts[place - 2] if place > 2 else 0), True
        while more:
            code = value & 0x1F
            value >>= 5
            more = value != -1 if code & 0x10 else value != 0
            text += chr((code | (0x20 if more else 0)) + 48)
    return f"{mask.shape[0]} {mask.shape[1]} {text}"


def test_run_lengths_are_read(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for shape in ((1, 1), (7, 5), (90, 130)):
        for share in (0.02, 0.5, 0.98):
            mask = random.random(shape) < share
            found = review_pixels.run_lengths(encode(mask))
            assert found is not None
            assert (found == mask).all()
    for text in ("", "3 3", "3 3 ~", "2 2 9", "99999999 99999999 1", "-1 4 1", "a b c", "0 0 0"):
        assert review_pixels.run_lengths(text) is None, text


def test_objects_of_a_sample(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.detection(tmp_path))
    items = {item.name: Reply(server, f"item/{n}").json for n, item in enumerate(server.desk.asked.items)}
    assert list(items)[3:] == ["boxes|s0|a", "boxes|s1|c", "boxes|s2|"]
    shifted, other, missing = list(items.values())[3:]
    assert (shifted["focus"], shifted["what"]) == (0, "shifted")
    assert shifted["suggestion"] == {"box": [0, 10, 30, 40], "label": None, "adds": [], "whole": True}
    assert [(each["key"], each["problem"]) for each in shifted["objects"]] == [("a", ""), ("b", ""), ("b", "zero area")]
    assert other["suggestion"] == {"box": None, "label": {"class": 1, "name": "dog"}, "adds": [], "whole": True}
    assert other["objects"][0]["polygons"] == [[5, 5, 40, 5, 40, 40]]
    assert (missing["focus"], missing["suggestion"]["whole"]) == (-1, False)


# ---- What it asks


def test_the_random_sample_is_seeded_and_grows(tmp_path: Path) -> None:
    case = make_review.classification(tmp_path, count=40)

    def drawn(**given: Any) -> list[str]:
        desk = Desk(case, **given)
        return [item.sample for item in desk.asked.items[: desk.asked.parts[0].count]]

    assert drawn(sample=10) == drawn(sample=10) == drawn(sample=25)[:10]
    assert drawn(sample=10) != drawn(sample=10, seed=1)
    assert len(set(drawn())) == 40
    assert "gone" not in drawn()  # It cannot be used: a finding names it, and only there it is asked about.


def test_findings_follow_most_severe_first(tmp_path: Path) -> None:
    asked = Desk(make_review.classification(tmp_path), sample=3).asked
    assert [(part.name, part.start, part.count) for part in asked.parts] == [
        ("random", 0, 3), ("unreadable_images", 3, 1), ("label_noise", 4, 2)]  # fmt: skip
    assert [item.sample for item in asked.items[3:]] == ["gone", "s0", "s1"]


# ---- What it keeps


def test_answers_are_kept_and_the_estimate_follows(tmp_path: Path, serve: Serve) -> None:
    case = make_review.classification(tmp_path)
    server = serve(case, sample=4)
    for n, answer in enumerate(("right", "wrong", "right", "skip")):
        given = Reply(server, "answer", {"n": n, "answer": answer}).json
        assert given["answer"] == answer
    assert given["estimate"]["n"] == 3
    assert Reply(server, "answer", {"n": 3, "answer": "right"}).json["estimate"] == {
        "n": 4, "wrong": 1, "share": 0.25, "low": pytest.approx(0.0456, abs=1e-4), "high": pytest.approx(0.6994, abs=1e-4)}  # fmt: skip
    again = Desk(case, sample=4)
    assert again.answers() == ["right", "wrong", "right", "right", "", "", ""]
    assert again.estimate()["wrong"] == 1
    # An answer to a finding says nothing of the random sample.
    Reply(server, "answer", {"n": 5, "answer": "wrong"})
    assert server.desk.estimate()["n"] == 4
    with case.folder.joinpath("review.jsonl").open("ab") as file:
        file.write(b'{"item": "torn')
    assert Desk(case, sample=4).answers() == server.desk.answers()


def test_an_answer_from_another_place_is_told(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    n = [item.sample for item in server.desk.asked.items].index("s1")
    later = [item.name for item in server.desk.asked.items].index("label_noise|s1")
    Reply(server, "answer", {"n": n, "answer": "relabel", "classes": [server.desk.number(make_review.PLAIN)]})
    told = Reply(server, f"item/{later}").json
    assert told["answer"] is None
    assert (told["before"]["answer"], told["before"]["labels"][0]["name"]) == ("relabel", make_review.PLAIN)
    Reply(server, "answer", {"n": n, "answer": "skip"})
    assert Reply(server, f"item/{later}").json["before"] is None


def test_an_object_that_the_reader_picks(tmp_path: Path, serve: Serve) -> None:
    case = make_review.detection(tmp_path)
    server = serve(case)
    n = [item.sample for item in server.desk.asked.items].index("s0")
    done = Reply(server, "answer", {"n": n, "answer": "wrong", "place": 1}).json
    assert done["answer"] == ""  # The rest of the image is still open.
    assert Reply(server, f"item/{n}").json["aside"][0]["place"] == 1
    assert Reply(server, "answer", {"n": n, "answer": "right"}).json["estimate"]["wrong"] == 1
    Reply(server, "answer", {"n": n, "answer": "skip", "place": 1})
    assert server.desk.estimate()["wrong"] == 0


@pytest.mark.parametrize(
    "given",
    [
        {"n": 99, "answer": "right"}, {"n": True, "answer": "right"}, {"n": 0}, {"n": 0, "answer": "delete"}, ["right"],
        {"n": 0, "answer": "relabel"}, {"n": 0, "answer": "relabel", "classes": [99]}, {"n": 0, "answer": "relabel", "classes": "0"},
        {"n": 0, "answer": "relabel", "classes": [0, 1]}, {"n": 0, "answer": "relabel", "new": " "},
        {"n": 0, "answer": "relabel", "new": "a\nb"}, {"n": 0, "answer": "relabel", "new": "x" * 500},
        {"n": 0, "answer": "accept"}, {"n": 0, "answer": "right", "place": 0},
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused(given: Any, tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.classification(tmp_path))
    refused = Reply(server, "answer", given)
    assert refused.status == 400
    assert refused.headers["Content-Type"].startswith("text/plain")
    assert not server.desk.journal.path.exists()


def test_a_whole_image_of_boxes_has_no_label(tmp_path: Path, serve: Serve) -> None:
    server = serve(make_review.detection(tmp_path))
    assert Reply(server, "answer", {"n": 0, "answer": "relabel", "classes": [0]}).status == 400
    assert Reply(server, "answer", {"n": 5, "answer": "accept"}).status == 400  # The missing object has no class yet.


def test_several_labels(tmp_path: Path, serve: Serve) -> None:
    case = make_review.multilabel(tmp_path)
    server = serve(case)
    n = [item.sample for item in server.desk.asked.items].index("s0")
    assert [each["name"] for each in Reply(server, f"item/{n}").json["labels"]] == ["sky", "sea"]
    Reply(server, "answer", {"n": n, "answer": "relabel", "classes": [0, 2], "new": "sun"})
    assert server.desk.journal.read()[-1]["labels"] == ["sand", "sky", "sun"]
    assert server.desk.classes == ["sand", "sea", "sky", "sun"]
    assert Desk(case).classes == server.desk.classes
    assert Reply(server, "item/2").json["suggestion"]["adds"] == [{"class": 0, "name": "sand"}]
    Reply(server, "answer", {"n": 2, "answer": "accept"})
    assert server.desk.journal.read()[-1]["labels"] == ["sky", "sea", "sand"]


# ---- From the command line


def call(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_apply_writes_a_corrected_catalog(tmp_path: Path, serve: Serve) -> None:
    case = make_review.detection(tmp_path)
    server = serve(case)
    Reply(server, "answer", {"n": 3, "answer": "accept"})
    Reply(server, "answer", {"n": 4, "answer": "accept"})
    Reply(server, "answer", {"n": 5, "answer": "relabel", "classes": [0]})
    before = prints(tmp_path)
    done = call("apply", case.folder)
    assert done.exit_code == 0, done.output
    assert "1 objects relabelled, 1 objects moved, 1 objects added" in done.stdout
    after = prints(tmp_path)
    assert {path: after[path] for path in before} == before
    assert sorted(Path(path).name for path in set(after) - set(before)) == ["corrected.json", "corrected.parquet"]
    objects = Catalog.load(case.folder / "corrected.parquet").table.column("objects").to_pylist()
    assert objects[0][0]["box"] == [0, 10, 30, 40]
    assert objects[1][0]["label"] == "dog"
    assert (objects[2][0]["label"], objects[2][0]["box"]) == ("cat", [20, 20, 50, 50])
    told = json.loads(call("apply", case.folder, "--json").stdout)
    assert told["changes"]["objects_moved"][0]["to"] == [0, 10, 30, 40]


def test_what_cannot_be_applied_or_reviewed(tmp_path: Path) -> None:
    case = make_review.classification(tmp_path)
    assert "snellen review" in call("apply", case.folder).stderr
    assert "is not a case" in " ".join(call("review", tmp_path).stderr.split())
    (tmp_path / "other.jsonl").write_bytes(b"")
    assert "nothing changed" in call("apply", case.folder, "--review", tmp_path / "other.jsonl").stdout
    assert call("audit", tmp_path, "--apply", "nowhere.jsonl").exit_code == 2


def test_the_program_serves_until_it_is_stopped(tmp_path: Path) -> None:
    case = make_review.classification(tmp_path)
    command = [sys.executable, "-m", "snellen", "review", str(case.folder), "--sample", "3"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "300"}) as running:
        assert running.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+/)", running.stderr.readline())
        assert address is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=10)
        connection.request("GET", address[2] + "overview")
        assert len(json.loads(connection.getresponse().read())["answers"]) == 6
        connection.close()
        running.send_signal(signal.SIGINT)
        assert "decisions: " in running.stderr.read()
    assert running.returncode == 0
