"""Every way to ask wrongly gets the one error object, and never a 500."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

BROKEN_BODIES = [
    (b"", "body"),
    (b"{", "body"),
    (b"nonsense", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'{"lat":NaN,"lng":1}', "body"),
    (b'{"lat":Infinity,"lng":1}', "body"),
    (b'{"lat":1e999,"lng":1}', "body.lat"),
    (b'{"lat":91,"lng":1}', "body.lat"),
    (b'{"lat":"1","lng":1}', "body.lat"),
    (b'{"lat":true,"lng":1}', "body.lat"),
    (b'{"lat":1}', "body"),
    (b'{"lat":1,"lng":1,"more":1}', "body"),
    (b'{"lat":1,"lng":1} {}', "body"),
    (b'{"lat":1,"lng":1,"note":"\xff"}', "body"),
    (b'{"lat":1,"lng":1,"note":"\\ud800"}', "body"),
    (b'{"lat":1,"lng":1,"note":"\\ud800\\u0041"}', "body"),
    (b'{"lat":1,"lng":1,"note":"a\\u0000b"}', "body"),
    (b'{"lat":1,"lng":1,"path":[[1,2],[1,"x"]]}', "body.path[1][1]"),
    (b"[" * 60_000, "body"),
    (b'{"lat":1,"lng":1,"path":' + b"[" * 60_000, "body"),
    (b'{"lat":' * 8_000, "body"),
    (b"\xef\xbb\xbf{}", "body"),
]


@pytest.mark.parametrize(("body", "place"), BROKEN_BODIES, ids=range(len(BROKEN_BODIES)))
async def test_a_broken_body_is_400_and_located(ask, body, place):
    reply = await ask.post("/v1/places", content=body, headers={"content-type": "application/json"})
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (400, "http.bad_request")
    assert problem["errors"][0]["path"].startswith(place)
    assert 0 < len(problem["errors"][0]["reason"]) <= 200


async def test_text_may_spell_out_the_escape_of_nul(ask):
    reply = await ask.post("/v1/places", content=rb'{"lat":1,"lng":1,"note":"\\u0000"}')
    assert reply.status_code == 200


async def test_bounds_on_a_whole_body_are_held(ask):
    one = {"lat": 1, "lng": 1}
    assert (await ask.post("/v1/batch", json=[one] * 2)).json() == 2
    assert (await ask.post("/v1/batch", json=[one] * 3)).status_code == 400


BROKEN_QUERIES = [
    ("", "query.lat"),
    ("lat=", "query.lat"),
    ("lat=x", "query.lat"),
    ("lat=nan", "query.lat"),
    ("lat=-inf", "query.lat"),
    ("lat=1e999", "query.lat"),
    ("lat=1&lat=2", "query.lat"),
    ("lat=1&unknown=2", "query.unknown"),
    ("lat=1&limit=0", "query.limit"),
    ("lat=1&limit=201", "query.limit"),
    ("lat=1&limit=1.5", "query.limit"),
    ("lat=1&radius_m=-1", "query.radius_m"),
    ("lat=1&radius_m=nan", "query.radius_m"),
    ("lat=1&kinds=a%00b", "query.kinds"),
    ("lat=1&kinds=%ff", "query"),
    ("lat=1&cursor=" + "c" * 513, "query.cursor"),
    ("&".join(f"a{i}=1" for i in range(65)), "query"),
]


@pytest.mark.parametrize(("query", "place"), BROKEN_QUERIES)
async def test_a_broken_query_is_400_and_located(ask, query, place):
    reply = await ask.get(f"/v1/places?{query}")
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (400, "http.bad_request")
    assert problem["errors"][0]["path"] == place


async def test_a_list_parameter_may_be_given_twice(ask):
    reply = await ask.get("/v1/places?lat=1&kinds=a&kinds=b")
    assert reply.json()["items"][-2:] == ["a", "b"]


async def test_many_errors_are_told_at_once_but_not_without_end(ask):
    some = await ask.get("/v1/places?lat=x&limit=0")
    many = await ask.get("/v1/places?" + "&".join(f"a{i}=1" for i in range(60)))
    assert [error["path"] for error in some.json()["errors"]] == ["query.lat", "query.limit"]
    assert len(many.json()["errors"]) == 20


@pytest.mark.parametrize("path", ["/v1/names/%ff", "/v1/names/a%00b", "/v1/names/%c3%28"])
async def test_a_path_that_is_no_text_is_400(play, path):
    assert (await play.get(path)).status_code == 400


async def test_a_path_may_hold_any_text(play):
    assert (await play.get("/v1/names/%C3%A4%20%25")).json() == {"name": "ä %"}


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/moves/not-a-uuid", "/v1/names", "/%", "/v1/%2e%2e/x"])
async def test_nothing_there_is_404(ask, path):
    reply = await ask.post(path) if "moves" in path else await ask.get(path)
    assert (reply.status_code, reply.json()["code"]) == (404, "http.not_found")


async def test_another_method_is_405_and_says_which_are_allowed(ask):
    reply = await ask.delete("/v1/places")
    assert (reply.status_code, reply.json()["code"]) == (405, "http.method_not_allowed")
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_head_answers_like_get_without_a_body(ask):
    reply = await ask.head("/v1/card")
    assert (reply.status_code, "etag" in reply.headers) == (200, True)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "/"]
)
async def test_another_type_of_body_is_415(ask, kind):
    reply = await ask.post("/v1/places", content=b"lat=1", headers={"content-type": kind})
    assert (reply.status_code, reply.json()["expected"]) == (415, "application/json")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
async def test_json_by_another_name_is_read(ask, kind):
    reply = await ask.post("/v1/places", content=b'{"lat":1,"lng":1}', headers={"content-type": kind})
    assert reply.status_code == 200


async def test_a_refusal_shows_its_public_fields_only(ask):
    reply = await ask.get("/v1/far")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {
        "type": "urn:overworld:problem:test.too_far",
        "title": "Too far away",
        "status": 409,
        "code": "test.too_far",
        "detail": "Go closer",
        "retryable": False,
        "trace_id": reply.headers["x-request-id"],
        "reach_m": 50,
    }


async def test_what_is_worth_another_try_says_when(ask):
    reply = await ask.get("/v1/busy")
    assert (reply.status_code, reply.json()["retryable"], reply.headers["retry-after"]) == (503, True, "1")


async def test_what_a_fault_says_of_itself_is_logged_and_told_nobody(ask):
    with capture_logs() as lines:
        reply = await ask.get("/v1/away")
    assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (503, "platform.unavailable", "1")
    assert "10.0.0.5" not in reply.text
    line = next(line for line in lines if line["event"] == "request")
    assert line["refusal"] == {"detail": "cannot connect to 10.0.0.5:5432"}


@pytest.mark.parametrize(("path", "headers"), [("/v1/bug", {}), ("/v1/card", {"authorization": "Bearer broken"})])
async def test_a_bug_is_500_tells_nothing_and_is_logged_with_its_traceback(ask, path, headers):
    with capture_logs() as lines:
        reply = await ask.get(path, headers=headers)
    bugs = [line for line in lines if line["event"] == "bug"]
    assert (reply.status_code, reply.json()["code"]) == (500, "http.internal")
    assert set(reply.json()) == {"type", "title", "status", "code", "retryable", "trace_id"}
    assert bugs[0]["trace_id"] == reply.json()["trace_id"]
    assert bugs[0]["exc_info"].__traceback__ is not None


async def test_a_refusals_private_fields_stay_in_the_request_line(ask):
    with capture_logs() as lines:
        await ask.get("/v1/far")
    line = next(line for line in lines if line["event"] == "request")
    assert (line["code"], line["refusal"]["distance_m"], line["route"]) == ("test.too_far", 812, "/v1/far")


async def test_the_request_line_names_the_route_and_the_account_never_the_path(play):
    with capture_logs() as lines:
        await play.get("/v1/names/secret-name")
    (line,) = lines
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/names/{name}", 200)
    assert str(line["account"]).endswith("7")
    assert "secret-name" not in json.dumps(line, default=str)


async def test_what_is_polled_is_logged_at_debug_unless_it_is_refused(make_edge):
    async with make_edge(polled=("/v1/places", "/v1/far")).client() as client:
        with capture_logs() as lines:
            for path in ("/v1/places?lat=1", "/v1/far", "/v1/busy"):
                await client.get(path)
    told = [(line["route"], line["log_level"]) for line in lines if line["event"] == "request"]
    assert told == [("/v1/places", "debug"), ("/v1/far", "info"), ("/v1/busy", "info")]


async def test_where_it_is_quiet_only_what_is_refused_is_told_at_info(make_edge):
    async with make_edge(quiet=True).client() as client:
        with capture_logs() as lines:
            for path in ("/v1/places?lat=1", "/v1/busy"):
                await client.get(path)
    told = [(line["route"], line["log_level"]) for line in lines if line["event"] == "request"]
    assert told == [("/v1/places", "debug"), ("/v1/busy", "info")]


async def test_options_names_the_methods_of_all_handlers_of_a_path(ask):
    reply = await ask.options("/v1/places")
    assert (reply.status_code, reply.headers["allow"]) == (204, "GET, OPTIONS, POST")
