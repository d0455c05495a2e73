"""`daffi-bridge dev`: which changes of files pages are told of, and in which words."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import signal

import pytest
from development import Dev
from websockets.sync.client import connect

PAGE = "<!doctype html><title>t</title><body><h1>hello</h1></body>"


class Served:
    """A folder with a page that has a stylesheet, both of which a browser was given."""

    def __init__(self, house, folder):
        self.above = folder
        self.site = folder / "site"
        self.site.mkdir()
        for name, text in (("index.html", PAGE), ("style.css", "h1 { color: red }")):
            (self.site / name).write_text(text)
        self.dev = house.keep(Dev(self.site, folder / "data"))
        for path in ("/", "/style.css"):
            assert self.dev.get(path)[0] == 200

    def visit(self, path: str = "/") -> tuple[str, str | None]:
        """The edition that a page says it is of, with its question mark, and its tag."""
        _, headers, body = self.dev.get(path, Sec_Fetch_Dest="document")
        return re.search(rb'live\.js(\?\d+)"', body)[1].decode(), headers["ETag"]

    def listen(self, edition: str = ""):
        """What a page does that has come."""
        return connect(f"ws://127.0.0.1:{self.dev.http}/_bridge/dev/live{edition}", origin=f"http://127.0.0.1:{self.dev.http}")

    def bring(self, name: str, text: str = "") -> None:
        """A file at once: one change, told once."""
        (self.above / "new").write_text(text)
        (self.site / name).parent.mkdir(exist_ok=True)
        (self.above / "new").rename(self.site / name)

    def told_of(self, change) -> str:
        """The word that pages hear after a change."""
        with self.listen() as page:
            change()
            return page.recv(10)

    def is_news(self, change) -> bool:
        """The stylesheet changes behind it: its word comes first, and alone, where the change concerns nobody."""
        return self.told_of(lambda: (change(), self.bring("style.css"))) != "css /style.css"


@contextlib.contextmanager
def stopped(dev: Dev):
    """While it is, files change at once for it, however long that takes on a busy machine."""
    dev.popen.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        dev.popen.send_signal(signal.SIGCONT)


@pytest.fixture
def served(house, tmp_path):
    return Served(house, tmp_path)


def test_a_page_that_was_on_its_way_when_a_file_changed_is_told(served):
    """It says which edition of the files it is of, and hears as it comes that there is another one."""
    old, old_tag = served.visit()
    with served.listen(old) as there, served.listen(old) as there_too:
        served.bring("index.html", PAGE)
        assert (there.recv(10), there_too.recv(10)) == ("reload", "reload")
    with served.listen(old) as late:
        assert late.recv(10) == "stale"
    new, new_tag = served.visit()
    assert new != old and new_tag != old_tag  # a browser's cache would have the old one said again
    with served.listen(new) as fresh, served.listen() as careless:
        served.bring("style.css")
        assert (fresh.recv(10), careless.recv(10)) == ("css /style.css", "css /style.css")


def test_a_folder_that_is_made_anew_is_served_and_watched(house, tmp_path):
    """As many build tools do: the old one is removed, or moved away, and another one put in its place."""
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "index.html").write_text("first")
    dev = house.keep(Dev(site, tmp_path / "data"))

    def changes(make):
        """Makes a change, and waits until pages are told of it."""
        with connect(f"ws://127.0.0.1:{dev.http}/_bridge/dev/live") as page:
            make()
            assert page.recv(10) == "reload"

    assert dev.get("/")[2] == b"first"
    changes(lambda: shutil.rmtree(site))
    assert dev.get("/")[0] == 404
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "index.html").write_text("second")
    changes(lambda: (tmp_path / "made").rename(site))
    assert dev.get("/")[2] == b"second"
    changes(lambda: (site / "index.html").write_text("third"))
    changes(lambda: site.rename(tmp_path / "old"))
    assert dev.get("/")[0] == 404 and dev.get("/index.html")[0] == 404
    changes(site.mkdir)
    changes(lambda: (site / "index.html").write_text("fourth"))
    assert dev.get("/")[2] == b"fourth"
    shutil.rmtree(site)
    site.symlink_to("old")  # a stranger to what was named at the start
    assert dev.get("/index.html")[0] == 404


def test_a_folder_that_has_gone_is_said_to_be_once_and_found_again(house, tmp_path):
    """With what it is in, too. Not that a build tool is about to make it anew."""
    site = tmp_path / "project" / "site"
    site.mkdir(parents=True)
    dev = house.keep(Dev(site, tmp_path / "data"))
    with stopped(dev):
        site.rmdir()
        site.mkdir()
    gone, back = f"{site} is no longer there: nothing of it is served until a folder is there again", f"{site} is there again, and served"
    for folder, count in ((site, 1), (site.parent, 2)):
        said = len(dev.lines)
        folder.rename(tmp_path / "elsewhere")
        assert dev.get("/")[0] == 404
        dev.wait_for(f"{re.escape(gone)}$", after=said)
        (tmp_path / "elsewhere").rename(folder)
        dev.wait_for(f"{re.escape(back)}$", after=said)
        assert (dev.log().count(gone), dev.log().count(back)) == (count, count)
        (site / "index.html").write_text(PAGE)
        assert dev.get("/")[0] == 200


@pytest.mark.parametrize("name", ["worker.log", "app.db", "app.sqlite", "app.db-journal", "app.db-wal", "worker.pyc", "worker.py", "page.html~", ".page.html.swp", "4913",
                                  "data/new.json", "other.js"])
def test_what_no_page_has_asked_for_is_no_news(served, name):
    """What a worker writes, or an editor: else a page that calls, and has something written by it, were loaded for ever."""
    def write() -> None:
        (served.site / name).parent.mkdir(exist_ok=True)
        with (served.site / name).open("a") as file:
            file.write("line")

    assert not served.is_news(write)
    edition, _ = served.visit()
    assert not served.is_news(lambda: (served.site / name).unlink())
    assert served.visit()[0] != edition  # by the stylesheet


@pytest.mark.parametrize("path,name", [("/app.js", "app.js"), ("/d/%C3%A9%20x.json?v=1", "d/é x.json"), ("/worker.py", "worker.py")])
def test_what_was_asked_for_is_news_whether_it_was_there_or_not(served, path, name):
    file = served.site / name
    assert served.dev.get(path)[0] == 404
    assert served.told_of(lambda: served.bring(name, "new")) == "reload"
    assert served.told_of(lambda: served.bring(name, "changed")) == "reload"
    assert served.told_of(file.unlink) == "reload"


@pytest.mark.parametrize("site,dest,counts", [("cross-site", "image", False), ("cross-site", "script", False), ("cross-site", "empty", False), ("same-site", "image", False),
                                              ("cross-site", "document", True), ("cross-site", "iframe", True), ("same-origin", "image", True), ("none", "document", True)])
def test_what_another_sites_page_loads_is_no_news_but_where_it_leads_to(served, site, dest, counts):
    """Or any page of the internet could ask for names without end, unseen, and have every change count. It is given nothing, anyhow."""
    assert served.dev.get("/picture.png", Sec_Fetch_Site=site, Sec_Fetch_Dest=dest)[0] == 404
    assert served.is_news(lambda: served.bring("picture.png")) == counts


def test_names_that_another_site_makes_up_fill_nothing(served):
    """More than are kept."""
    connection = http.client.HTTPConnection("127.0.0.1", served.dev.http, timeout=10)
    for i in range(10_001):
        connection.request("GET", f"/{i}.png", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"})
        connection.getresponse().read()
    connection.close()
    assert not served.is_news(lambda: served.bring("worker.log"))


def test_a_folder_that_comes_or_goes_with_what_was_asked_for_is_news(served):
    """As bundlers write: beside, then all at once."""
    made = served.above / "made"
    made.mkdir()
    (made / "app.js").write_text("new")
    assert not served.is_news(lambda: made.rename(served.site / "dist"))
    (served.site / "dist").rename(made)
    assert (served.dev.get("/dist/app.js")[0], served.dev.get("/other/")[0]) == (404, 404)
    assert served.told_of(lambda: made.rename(served.site / "dist")) == "reload"
    assert served.told_of(lambda: (served.site / "dist").rename(made)) == "reload"
    assert served.told_of(lambda: (served.site / "other").mkdir()) == "reload"


def test_behind_a_link_it_is_the_file_itself_that_is_news(served):
    (served.site / "v1").mkdir()
    (served.site / "v1" / "app.js").write_text("one")
    (served.site / "latest").symlink_to("v1")
    assert served.dev.get("/latest/app.js")[2] == b"one"
    assert served.told_of(lambda: served.bring("v1/app.js", "two")) == "reload"
    assert served.told_of(lambda: (served.site / "latest").unlink()) == "reload"


def test_of_a_folder_its_index_is_news(served):
    """Also where there is none yet, and the folder is listed: which listings alone hear of what else is in it."""
    (served.site / "sub").mkdir()
    assert not served.is_news(lambda: (served.site / "sub" / "a.txt").write_text("a"))
    edition, _ = served.visit()
    assert b" data-listing></script>" in served.dev.get("/sub/", Sec_Fetch_Dest="document")[2]
    with served.listen() as page:
        served.bring("sub/b.txt")
        assert page.recv(10) == "listing"
    assert served.visit()[0] == edition  # no other page is of yesterday by it
    assert served.told_of(lambda: served.bring("sub/index.html", PAGE)) == "reload"


def test_with_spa_the_index_of_all_is_news_and_the_page_itself(house, tmp_path):
    served = Served(house, tmp_path)
    dev = house.keep(Dev(served.site, tmp_path / "data", "--spa"))
    assert dev.get("/orders/7", Sec_Fetch_Dest="document")[0] == dev.get("/style.css")[0] == 200
    served.dev = dev
    assert served.told_of(lambda: served.bring("index.html", PAGE)) == "reload"


def test_several_stylesheets_are_told_each_and_very_many_not(served):
    names = [f"{i}%20.css" for i in range(9)]
    for name in names:
        served.dev.get(f"/{name}")
    with served.listen() as page:
        for name in names[:2]:
            served.bring(name.replace("%20", " "))
        assert {page.recv(10), page.recv(10)} == {f"css /{name}" for name in names[:2]}
    with served.listen() as page:
        with stopped(served.dev):
            for name in names:
                served.bring(name.replace("%20", " "))
        assert page.recv(10) == "reload"
