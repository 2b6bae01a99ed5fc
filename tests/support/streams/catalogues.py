"""Files about items, made up in the documented shapes of their systems, each with how it has to be read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from models.records import encode_item
from streaming.files import Layout, Listed, RowFile, RowRefused, Survey, item_presets, item_rows, look, with_preset
from tests.support.streams.exports import csv, objects, table


@dataclass(frozen=True)
class Catalogue:
    """A file, the flags it is read with, and the right outcome: facts with attributes, by item."""

    name: str
    content: bytes
    items: dict[str, dict[str, Any]]
    file: str = "items.csv"
    flags: str = ""
    layout: Layout = field(default_factory=Layout)
    preset: str = ""
    refused: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def catalogues() -> list[Catalogue]:
    """Files in different forms."""
    return [
        Catalogue(
            "columns of our names, others become attributes",
            csv(
                "tea,drinks,3.5,https://s/tea,12,red,007,yes",
                "pot,ware,24,https://s/pot,0,,008,no",
                head="item_id,category,price,url,stock,colour,code,new",
            ),
            {
                "tea": {
                    "category": "drinks",
                    "price": 3.5,
                    "attributes": {"url": "https://s/tea", "stock": 12, "colour": "red", "code": "007", "new": True},
                },
                "pot": {
                    "category": "ware",
                    "price": 24.0,
                    "attributes": {"url": "https://s/pot", "stock": 0, "code": "008", "new": False},
                },
            },
        ),
        Catalogue(
            "a European spreadsheet",
            "Artikelnr;Bezeichnung;Preis;Farbe;Gewicht;EK\n"
            "t1;Käse;1.005,50 €;rot;1,5;9\nt2;Tee;6,99;grün;2;3\n".encode(),
            {
                "t1": {"price": 1005.5, "title": "Käse", "attributes": {"colour": "rot", "Gewicht": 1.5}},
                "t2": {"price": 6.99, "title": "Tee", "attributes": {"colour": "grün", "Gewicht": 2}},
            },
            flags="--column Artikelnr=item_id --column Bezeichnung=title --column Preis=price "
            "--column Farbe=attributes.colour --column EK=none",
            layout=Layout({
                "Artikelnr": "item_id",
                "Bezeichnung": "title",
                "Preis": "price",
                "Farbe": "attributes.colour",
                "EK": "none",
            }),
        ),
        Catalogue(
            "names that catalogues have for our fields, variants, and a row without an id",
            csv(
                "t-s,t,Tea small,5,Kyusu",
                "t-l,t,Tea large,7,NULL",
                ",t,Tea,9,",
                head="id,item_group_id,name,price,brand",
            ),
            {
                "t-s": {"price": 5.0, "brand": "Kyusu", "title": "Tea small", "group_id": "t"},
                "t-l": {"price": 7.0, "title": "Tea large", "group_id": "t"},
            },
            refused=1,
        ),
        Catalogue(
            "values that cannot be used",
            csv("tea,free,maybe", "pot,3,in stock", "cup,2,sold out", head="item_id,price,available"),
            {"tea": {}, "pot": {"price": 3.0}, "cup": {"price": 2.0, "available": False}},
            left_out={"item facts: price": 1, "item facts: available": 1},
        ),
        Catalogue(
            "NDJSON with lists, and objects that no attribute can be",
            objects(
                {"item_id": "tea", "tags": ["green"], "colour": ["red", "blue"], "size": {"s": 1}, "stock": None},
                {"item_id": "pot", "attributes": {"colour": "red"}, "sold": 7},
            ),
            {
                "tea": {"tags": ["green"], "attributes": {"colour": ["red", "blue"]}},
                "pot": {"attributes": {"colour": "red", "sold": 7}},
            },
            "items.ndjson",
            left_out={"attributes: size": 1},
        ),
        Catalogue(
            "a path into nested JSON",
            json.dumps([{"sku": "tea", "media": [{"src": "https://s/1.jpg"}]}]).encode(),
            {"tea": {"attributes": {"image_url": "https://s/1.jpg"}}},
            "items.json",
            "--column 'media[0].src=attributes.image_url'",
            Layout({"media[0].src": "attributes.image_url"}),
        ),
        Catalogue(
            "Parquet",
            table(item_id=["tea", "pot"], price=[3.5, 4.0], stock=[1, None], sizes=[["s", "m"], []]),
            {
                "tea": {"price": 3.5, "attributes": {"stock": 1, "sizes": ["s", "m"]}},
                "pot": {"price": 4.0},
            },
            "items.parquet",
        ),
        Catalogue(
            "the CSV export of WooCommerce, with a draft and a private product",
            csv(
                '11,Mug,1,1,7,,4.50,"Ware, Ware > Mugs"',
                "12,Cup,-1,1,7,,4,Ware",
                "13,Jug,0,1,7,,9,Ware",
                head="ID,Name,Published,In stock?,Stock,Sale price,Regular price,Categories",
            ),
            {
                "11": {
                    "category": "Ware, Ware > Mugs",
                    "price": 4.5,
                    "title": "Mug",
                    "attributes": {"stock": 7, "Published": 1},
                }
            },
            flags="--preset woocommerce",
            preset="woocommerce",
            skipped={"Published is -1": 1, "Published is 0": 1},
        ),
    ]


def systems() -> list[Catalogue]:
    """Catalogues of systems, one for each preset."""
    return [
        Catalogue(
            "google",
            b"id\ttitle\tdescription\tlink\timage_link\tavailability\tprice\tsale_price\tbrand\tgtin\tproduct_type\t"
            b"item_group_id\tcolor\n"
            b"t1\tTeapot\tA pot\thttps://s/t1\thttps://s/t1.jpg\tin_stock\t24.90 EUR\t19.90 EUR\tKyusu\t4006381333931\t"
            b"Tea > Pots\tteapot\tred\n"
            b"t2\tTeapot\tA pot\thttps://s/t2\thttps://s/t2.jpg\tout_of_stock\t24.90 EUR\t\tKyusu\t4006381333932\t"
            b"Tea > Pots\tteapot\tblue\n",
            {
                "t1": _pot("t1", "red", 19.9, gtin="4006381333931"),
                "t2": _pot("t2", "blue", 24.9, gtin="4006381333932", available=False),
            },
            "feed.tsv",
            preset="google",
        ),
        Catalogue(
            "shopify",
            json.dumps({
                "products": [
                    {
                        "id": 11, "title": "Teapot", "vendor": "Kyusu", "product_type": "Tea", "handle": "teapot",
                        "tags": "clay, hand made", "status": "active", "image": {"src": "https://s/11.jpg"},
                        "variants": [{"id": 1, "price": "24.90", "inventory_quantity": 3}],
                    },
                    {"id": 12, "title": "Kettle", "status": "draft"},
                    {"id": 13, "title": "Samovar", "status": "archived"},
                ]
            }).encode(),
            {
                "11": {
                    "category": "Tea", "price": 24.9, "brand": "Kyusu", "title": "Teapot",
                    "tags": ["clay", "hand made"],
                    "attributes": {"handle": "teapot", "image_url": "https://s/11.jpg", "stock": 3, "status": "active"},
                }
            },
            "products.json",
            preset="shopify",
            skipped={"status is draft": 1, "status is archived": 1},
        ),
        Catalogue(
            "woocommerce",
            objects({
                "id": 11, "name": "Mug", "permalink": "https://s/mug", "price": "4.50", "stock_status": "instock",
                "stock_quantity": 7, "average_rating": "4.5", "categories": [{"id": 3, "name": "Ware"}],
                "images": [{"src": "https://s/mug.jpg"}], "sku": "M-1",
            }, {"id": 12, "name": "Cup", "status": "draft"}),
            {
                "11": {
                    "category": "Ware", "price": 4.5, "title": "Mug", "rating": 4.5,
                    "attributes": {
                        "url": "https://s/mug", "image_url": "https://s/mug.jpg", "stock": 7, "sku": "M-1",
                    },
                }
            },
            "products.ndjson",
            preset="woocommerce",
            skipped={"status is draft": 1},
        ),
        Catalogue(
            "gorse",
            objects(
                {
                    "ItemId": "tea", "IsHidden": False, "Categories": ["drinks"], "Timestamp": "2026-01-01T00:00:00Z",
                    "Labels": ["green", "loose"], "Comment": "Tea",
                },
                {"ItemId": "old", "IsHidden": True, "Categories": [], "Labels": None, "Comment": ""},
            ),
            {
                "tea": {
                    "category": "drinks", "title": "Tea", "tags": ["green", "loose"],
                    "attributes": {"Timestamp": "2026-01-01T00:00:00Z"},
                },
                "old": {"available": False},
            },
            "items.ndjson",
            preset="gorse",
        ),
        Catalogue(
            "personalize",
            csv("tea,3.5,drinks,1767225600,true", head="ITEM_ID,PRICE,CATEGORY_L1,CREATION_TIMESTAMP,ADULT"),
            {
                "tea": {
                    "category": "drinks", "price": 3.5,
                    "attributes": {"CREATION_TIMESTAMP": "1767225600", "ADULT": True},
                }
            },
            preset="personalize",
        ),
        Catalogue(
            "movielens",
            csv('296,Pulp Fiction (1994),"Comedy|Crime"', head="movieId,title,genres"),
            {"296": {"category": "Comedy|Crime", "title": "Pulp Fiction (1994)", "tags": ["Comedy", "Crime"]}},
            preset="movielens",
        ),
    ]  # fmt: skip


def _pot(item: str, colour: str, price: float, gtin: str, *, available: bool = True) -> dict[str, Any]:
    own = {"url": f"https://s/{item}", "image_url": f"https://s/{item}.jpg", "colour": colour}
    return {
        "category": "Tea > Pots",
        "price": price,
        "brand": "Kyusu",
        "title": "Teapot",
        **({} if available else {"available": False}),
        "group_id": "teapot",
        "attributes": {**own, "description": "A pot", "gtin": gtin},
    }


def read(catalogue: Catalogue, folder: Path) -> tuple[Survey, Layout, dict[str, dict[str, Any]], int]:
    """What was found, how it was read, each item as JSON has it, and how many rows were refused."""
    path = folder / catalogue.file
    path.write_bytes(catalogue.content)
    layout = catalogue.layout
    layout = with_preset(layout, catalogue.preset, item_presets()) if catalogue.preset else layout
    survey = Survey(str(path))
    found: dict[str, dict[str, Any]] = {}
    refused = 0
    with RowFile(path, layout.encoding) as rows:
        for outcome in item_rows(rows, look(path, layout), survey):
            if isinstance(outcome, Listed):
                found[outcome.item_id] = msgspec.json.decode(encode_item(outcome.facts))
            refused += isinstance(outcome, RowRefused)
    return survey, layout, found, refused
