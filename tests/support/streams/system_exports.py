"""Exports of shops' systems and of published logs, each read with the preset of its name."""

from __future__ import annotations

import json

from streaming.files import Layout
from tests.support.streams.exports import DAY, NOW, PRICES, READ, Export, csv, objects


def systems() -> list[Export]:
    segment = {
        "messageId": "m1",
        "anonymousId": "a7",
        "userId": None,
        "type": "track",
        "timestamp": f"{DAY}T00:00:00.000Z",
    }
    products = [{"product_id": "tea", "price": 3.5, "name": "Tea", "quantity": 1}, {"sku": "pot", "price": 4}]
    cloud = {"specversion": "1.0", "id": "e1", "source": "/shop", "time": f"{DAY}T00:00:00Z"}
    snow = "com_snowplowanalytics_snowplow_ecommerce"
    placed = {
        "id": 1001,
        "email": "ann@example.org",
        "created_at": f"{DAY}T01:00:00+01:00",
        "customer": {"id": 5},
        "line_items": [
            {"product_id": 11, "price": "3.50", "quantity": 2, "title": "Tea"},
            {"product_id": 12, "price": "4.00", "quantity": 1, "title": "Pot"},
        ],
    }
    bought = {
        "id": 7,
        "date_created_gmt": f"{DAY}T00:00:00",
        "customer_id": 0,
        "billing": {"email": "bob@example.org"},
        "line_items": [{"product_id": 11, "price": 3.5, "quantity": 2, "name": "Tea"}],
    }
    ga4 = {"event_date": "20260101", "event_timestamp": str(NOW * 10**6), "user_pseudo_id": "u1.2", "user_id": None}
    return [
        Export(
            "retailrocket",
            csv(
                f"{NOW}000,u1,view,tea,",
                f"{NOW}500,u1,transaction,pot,7",
                head="timestamp,visitorid,event,itemid,transactionid",
            ),
            [("u1", "tea", "click", None), ("u1", "pot", "purchase", None)],
        ),
        Export(
            "rees46",
            csv(
                f"{DAY} 00:00:00 UTC,view,tea,9,kitchen.tea,acme,3.5,u1,s1",
                f"{DAY} 00:00:01 UTC,remove_from_cart,tea,9,,,3.5,u1,s1",
                head="event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
            ),
            READ[:1],
            passed=1,
            facts={"price": 1, "category": 1, "brand": 1},
        ),
        Export(
            "gorse",
            csv(
                f"read,u1,tea,{DAY} 00:00:00 ",
                f"favori,u2,pot,{DAY} 00:01:00 ",
                head="FeedbackType,UserId,ItemId,Timestamp",
            ),
            [("u1", "tea", "click", None), ("u2", "pot", "favourite", None)],
            says=("--zone",),
        ),
        Export(
            "personalize",
            csv(
                f"u1,tea,View,3.0,{NOW}",
                f"u2,pot,Purchase,1,{NOW + 1}",
                head="USER_ID,ITEM_ID,EVENT_TYPE,EVENT_VALUE,TIMESTAMP",
            ),
            [("u1", "tea", "click", None), ("u2", "pot", "purchase", None)],
        ),
        Export(
            "movielens",
            csv(f"1,296,5.0,{NOW}", f"1,306,2.0,{NOW + 1}", head="userId,movieId,rating,timestamp"),
            [("1", "296", "click", None)],
            passed=1,
            flags="--min-rating 3.5",
            layout=Layout(min_rating=3.5),
        ),
        Export(
            "ga4",
            objects(
                ga4 | {"event_name": "page_view", "items": []},
                ga4
                | {
                    "event_name": "purchase",
                    "ecommerce": {"transaction_id": "t1"},
                    "items": [{"item_id": "tea", "price": 3.5}, {"item_id": "pot", "price": 4.0}],
                },
            ),
            [("u1.2", "tea", "purchase", 3.5), ("u1.2", "pot", "purchase", 4.0)],
            passed=1,
            facts=PRICES,
            file="log.ndjson",
            form="NDJSON",
        ),
        Export(
            "segment",
            objects(
                segment | {"event": "Product Viewed", "properties": products[0]},
                segment | {"event": "Order Completed", "userId": "u2", "properties": {"products": products}},
                segment | {"event": "Video Played", "properties": {}},
            ),
            [("a7", "tea", "click", 3.5), ("u2", "tea", "purchase", 3.5), ("u2", "pot", "purchase", 4.0)],
            passed=1,
            facts={"price": 2, "title": 1},
            file="log.ndjson",
            form="NDJSON",
        ),
        Export(
            "cloudevents",
            objects(
                cloud | {"type": "click", "data": {"user_id": "u1", "item_id": "tea", "price": 3.5}},
                cloud | {"type": "order", "data": {"event_type": "buy", "user_id": "u2", "item_id": "pot", "price": 4}},
            ),
            READ,
            facts=PRICES,
            file="log.ndjson",
            form="NDJSON",
        ),
        Export(
            "shopify",
            json.dumps([
                placed | {"financial_status": "paid", "cancelled_at": None},
                placed | {"id": 1002, "financial_status": "pending", "line_items": [{"product_id": 13}]},
                placed | {"id": 1003, "financial_status": "paid", "cancelled_at": f"{DAY}T02:00:00+01:00"},
                placed | {"id": 1004, "financial_status": "refunded", "line_items": [{"product_id": 14}]},
            ]).encode(),
            [("5", "11", "purchase", 3.5), ("5", "12", "purchase", 4.0), ("5", "13", "purchase", None)],
            passed=3,
            skipped={"cancelled_at has a value": 2, "financial_status is refunded": 1},
            facts={"price": 2, "title": 2},
            file="orders.json",
            form="an array of JSON objects",
        ),
        Export(
            "shopify_csv",
            csv(
                f"#1001,ann@example.org,paid,{DAY} 01:00:00 +0100,2,Tea,3.50,,Kyusu,,",
                "#1001,,,,1,Pot,4.00,pot-2,Kyusu,,",
                f"#1002,ann@example.org,refunded,{DAY} 01:00:05 +0100,1,Cup,2.00,cup,Kyusu,,",
                "#1002,,,,1,Jug,9.00,jug,Kyusu,,",
                f"#1003,,pending,{DAY} 01:00:09 +0100,1,Jug,9.00,jug,,,+49",
                head="Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
                "Lineitem sku,Vendor,Cancelled at,Phone",
            ),
            [
                ("ann@example.org", "Tea", "purchase", 3.5),
                ("ann@example.org", "pot-2", "purchase", 4.0),
                ("+49", "jug", "purchase", 9.0),
            ],
            passed=2,
            skipped={"Financial Status is refunded": 2},
            facts={"price": 3, "title": 3, "brand": 2},
            file="orders_export.csv",
            says=("1 user ids are e-mail addresses", "--hash-ids KEYFILE"),
        ),
        Export(
            "woocommerce",
            json.dumps(
                [
                    bought | {"status": "completed"},
                    bought | {"id": 8, "status": "on-hold", "line_items": [{"product_id": 12, "price": 4}]},
                    *(bought | {"status": status} for status in ("cancelled", "refunded", "failed", "pending")),
                ],
                indent=1,
            ).encode(),
            [("bob@example.org", "11", "purchase", 3.5), ("bob@example.org", "12", "purchase", 4.0)],
            passed=4,
            skipped={f"status is {status}": 1 for status in ("cancelled", "refunded", "failed", "pending")},
            facts={"price": 2, "title": 1},
            file="orders.json",
            form="an array of JSON objects",
        ),
        Export(
            "matomo",
            json.dumps([
                {
                    "idVisit": "3",
                    "visitorId": "v9",
                    "userId": None,
                    "actionDetails": [
                        {
                            "type": "action",
                            "timestamp": NOW,
                            "productViewSku": "tea",
                            "productViewPrice": 3.5,
                            "productViewName": "Tea",
                        },
                        {"type": "search", "timestamp": NOW + 5},
                        {
                            "type": "ecommerceOrder",
                            "timestamp": NOW + 9,
                            "itemDetails": [{"itemSKU": "tea", "price": "3.5"}, {"itemSKU": "pot", "price": "4"}],
                        },
                    ],
                }
            ]).encode(),
            [("v9", "tea", "click", 3.5), ("v9", "tea", "purchase", 3.5), ("v9", "pot", "purchase", 4.0)],
            passed=1,
            facts={"price": 2, "title": 1},
            file="visits.json",
            form="an array of JSON objects",
        ),
        Export(
            "snowplow",
            objects(
                {
                    "event_id": "e1",
                    "event": "unstruct",
                    "event_name": "snowplow_ecommerce_action",
                    "domain_userid": "d1",
                    "collector_tstamp": f"{DAY}T00:00:00.000Z",
                    f"unstruct_event_{snow}_snowplow_ecommerce_action_1": {"type": "add_to_cart"},
                    f"contexts_{snow}_product_1": [{"id": "tea", "price": 3.5, "name": "Tea"}],
                },
                {
                    "event_id": "e2",
                    "event": "page_ping",
                    "event_name": "page_ping",
                    "domain_userid": "d1",
                    "collector_tstamp": f"{DAY}T00:00:09.000Z",
                },
            ),
            [("d1", "tea", "cart", 3.5)],
            passed=1,
            facts={"price": 1, "title": 1},
            file="log.ndjson",
            form="NDJSON",
        ),
    ]
