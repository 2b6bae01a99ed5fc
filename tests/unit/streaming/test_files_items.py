"""Files about items: every value is a fact, an attribute, or left out by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.records import EventRules, ItemFacts
from streaming.files import (
    FileError,
    Layout,
    Listed,
    RowFile,
    Shown,
    Survey,
    item_presets,
    item_rows,
    items_advice,
    items_report,
    look,
    read_events,
    read_items,
)
from tests.support.streams import catalogues
from tests.support.streams.catalogues import Catalogue
from tests.support.streams.exports import csv, objects

EVERY = [*catalogues.catalogues(), *catalogues.systems()]


@pytest.mark.parametrize("catalogue", EVERY, ids=[each.name for each in EVERY])
def test_each_file_is_read_as_its_shop_means_it(catalogue: Catalogue, tmp_path: Path) -> None:
    survey, layout, items, refused = catalogues.read(catalogue, tmp_path)
    assert items == catalogue.items, items_report(survey, layout)
    assert refused == survey.refused == catalogue.refused
    expected = catalogue.left_out
    assert {name: survey.left_out[name] for name in expected} == expected
    assert survey.items == len(items)
    assert dict(survey.skipped) == catalogue.skipped


def test_each_preset_has_a_sample_that_proposes_it(tmp_path: Path) -> None:
    samples = catalogues.systems()
    assert {each.preset for each in samples} == item_presets().keys()
    for sample in samples:
        path = tmp_path / sample.file
        path.write_bytes(sample.content)
        survey = Survey(str(path))
        with RowFile(path) as rows:
            survey.names = rows.columns or tuple(next(iter(rows)).fields)  # type: ignore[union-attr]
        assert f"--preset {sample.preset}" in " ".join(items_advice(survey, Layout()))


def test_a_file_that_names_no_item_says_which_flag_would(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(csv("tea,3", head="Artikel,Preis"))
    with pytest.raises(FileError, match=r"--column Artikel=item_id"):
        look(path, Layout())


@pytest.mark.parametrize(
    ("cells", "decimal", "values"),
    [
        (["1", "2.5"], None, [1, 2.5]),
        (["1,5", "2"], None, [1.5, 2]),
        (["1,234", "2"], None, ["1,234", "2"]),
        (["1,234", "2"], ",", [1.234, 2]),
        (["1,234", "2,5"], None, [1.234, 2.5]),
        (["1.234", "2"], ",", ["1.234", "2"]),
        (["07", "8"], None, ["07", "8"]),
        (["42", "XL"], None, ["42", "XL"]),
        (["yes", "No"], None, [True, False]),
        (["yes", "7"], None, ["yes", "7"]),
        (["NULL", "7"], None, [None, 7]),
        (["123456789", "1"], None, [123456789, 1]),
        (["1234567890", "1"], None, ["1234567890", "1"]),
    ],
)
def test_the_cells_of_a_column_have_one_kind(
    cells: list[str], decimal: str | None, values: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "items.csv"
    path.write_text("\n".join(["item_id;x", *(f"i{at};{cell}" for at, cell in enumerate(cells))]) + "\n")
    found, _ = read_items(path, layout=Layout(decimal=decimal))
    assert [found[f"i{at}"].attribute_values().get("x") for at in range(len(cells))] == values


def test_an_attribute_spelled_almost_like_a_fact_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(csv("tea,3,toys", head="item_id,pirce,categorie"))
    survey = Survey(str(path))
    found, _ = read_items(path, survey=survey)
    assert found["tea"].attribute_values() == {"pirce": 3, "categorie": "toys"}
    told = " ".join(items_advice(survey, Layout()))
    assert "--column pirce=price" in told
    assert "--column categorie=category" in told


@pytest.mark.parametrize("name", ["items.csv", "items.ndjson"])
def test_a_row_is_skipped_by_what_a_field_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    rows = [{"id": "tea", "status": "active"}, {"id": "pot", "status": "Draft"}, {"id": "", "status": "draft"}]
    table = csv(*(f"{row['id']},{row['status']}" for row in rows), head="id,status")
    path.write_bytes(table if name.endswith("csv") else objects(*rows))
    survey, layout = Survey(str(path)), Layout(skip={"status": ["draft"]})
    read = look(path, layout)
    with RowFile(path) as opened:
        found = list(item_rows(opened, read, survey))
    assert [each.item_id for each in found if isinstance(each, Listed)] == ["tea"]
    assert (len(found), survey.refused, survey.passed) == (1, 0, 2)
    assert "passed over: 2 rows because status is draft" in items_report(survey, layout)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("item_id,picture", "--column picture=attributes.image_url"),
        ("item_id,Image URL", "--column 'Image URL=attributes.image_url'"),
        ("item_id,thumbnail,image_link", "--column image_link=attributes.image_url"),
        ("item_id,image_url,picture", ""),
        ("item_id,colour", ""),
    ],
)
def test_a_column_of_pictures_that_pages_would_not_find_is_pointed_out(head: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(csv("tea" + ",https://s/tea.jpg" * head.count(","), head=head))
    survey = Survey(str(path))
    read_items(path, survey=survey)
    told = " ".join(items_advice(survey, Layout()))
    assert says in told
    assert ("image_url" in told) == bool(says)


def test_the_last_row_of_an_item_counts_and_the_report_says_so(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(csv("tea,3", "tea,4", head="item_id,price"))
    survey = Survey(str(path))
    assert read_items(path, survey=survey)[0] == {"tea": ItemFacts(price=4.0)}
    assert "1 rows name an item that came before" in items_report(survey, Layout())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (csv(head="item_id,price"), "the file has names, and no rows below them"),
        (csv("tea,3,4", head="item_id,price,price"), "the header has 'price' more than once"),
        (csv('tea,"Green', "pot,Iron", "cup,White", "jar,Big", head="item_id,title"), "is a quote not closed?"),
    ],
    ids=["no rows", "two columns of one name", "a quote that is not closed"],
)
def test_what_is_odd_in_a_file_about_items_is_said(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(content)
    survey = Survey(str(path))
    read_items(path, survey=survey)
    assert says in items_report(survey, Layout())


def test_tags_are_read_from_a_list_in_json_and_a_title_over_lines_is_no_lost_row(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    cell = '"[""green"", ""loose""]"'
    path.write_bytes(csv('tea,"Green tea,', "first flush,", f'100 g",{cell}', head="item_id,title,tags"))
    survey = Survey(str(path))
    found = read_items(path, survey=survey)[0]["tea"]
    assert (found.title, found.tags) == ("Green tea,\nfirst flush,\n100 g", ("green", "loose"))
    assert "quote" not in items_report(survey, Layout())


def test_attributes_and_groups_of_a_file_about_items_go_with_the_events(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(csv("tea,g,https://s/tea", head="item_id,group_id,url"))
    (tmp_path / "log.csv").write_bytes(csv("u1,tea,view,1767225600,3.5"))
    items, _ = read_items(tmp_path / "items.csv")
    with RowFile(tmp_path / "log.csv") as rows:
        (outcome,) = read_events(rows, Layout(), EventRules(), items)
    assert isinstance(outcome, Shown)
    assert outcome.facts is not None
    assert (outcome.facts.group_id, outcome.facts.price) == ("g", 3.5)
    assert outcome.facts.attribute_values() == {"url": "https://s/tea"}
