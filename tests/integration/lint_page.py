"""lint_page.py PAGE.html REPORT.json: judges a page of simulgate lint: balanced, nothing that leaves it or runs, and each finding of the report in it."""
import html.parser
import json
import sys

VOID = {"meta", "br", "hr"}
FORBIDDEN = {"script", "iframe", "object", "embed", "img", "image", "form", "input", "link", "base", "foreignobject", "video", "audio", "source"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.rows, self.row, self.policy = [], set(), [], {}, None, ""
        self.pictures = self.titled = 0

    def handle_starttag(self, tag, attrs):
        self.element(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.element(tag, attrs)

    def element(self, tag, attrs):
        assert tag not in FORBIDDEN, f"element {tag}"
        attrs = dict(attrs)
        for name, value in attrs.items():
            assert not name.startswith("on") and name not in ("src", "srcset", "action", "formaction"), f"attribute {name}"
            assert "url(" not in (value or ""), value
        if "id" in attrs:
            assert attrs["id"] not in self.ids, f"id {attrs['id']} twice"
            self.ids.add(attrs["id"])
        if "href" in attrs:
            assert attrs["href"].startswith("#"), attrs["href"]
            self.links.append(attrs["href"][1:])
        if tag == "meta" and attrs.get("http-equiv"):
            self.policy = attrs["content"]
        if tag == "tr":
            self.row = attrs.get("id")
        if tag == "svg" and attrs.get("aria-hidden") != "true" and attrs.get("role"):
            self.pictures += 1
            self.titled += "aria-labelledby" in attrs

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> within {self.open[-3:]}"
        self.open.pop()
        if tag == "tr":
            self.row = None

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            assert "url(" not in data and "@import" not in data and "//" not in data
        if self.row:
            self.rows[self.row] = self.rows.get(self.row, "") + data


page = Page()
text = open(sys.argv[1], encoding="utf-8").read()
page.feed(text)
page.close()
assert not page.open, page.open
assert "default-src 'none'" in page.policy
assert "http:" not in text and "https:" not in text and "file:" not in text
missing = [link for link in page.links if link not in page.ids]
assert not missing, missing
assert page.pictures == page.titled
report = json.load(open(sys.argv[2], encoding="utf-8"))
assert len(page.rows) == len(report["findings"]), (len(page.rows), len(report["findings"]))
for n, finding in enumerate(report["findings"], 1):
    row = page.rows[f"f{n}"]
    for part in ("text", "clause", "rule", "severity", "message", "parameter"):
        assert not finding[part] or finding[part] in row, (part, finding[part], row)
    assert str(finding["frame"]) in row, (finding, row)
    if finding["count"] > 1:
        assert f"and {finding['count'] - 1} more, the last in frame {finding['last_frame']}" in row.replace("\u202f", ""), row
if report["sessions"]:
    assert page.pictures >= 1
print(f"{len(page.rows)} findings, {page.pictures} pictures")
