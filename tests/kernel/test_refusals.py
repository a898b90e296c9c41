"""Refusals are declared once, shown with their public fields alone, and can be made again from what was stored."""

from __future__ import annotations

from copy import copy

import pytest

from overworld.kernel.refusals import Busy, Fault, Problem, Refusal, problem, refusal_from


class TooDeep(Refusal):
    """The well is deeper than the rope.

    `depth_m` stays in our logs.
    """

    code = "test.too_deep"
    status = 409
    public = ("well_id", "rope_m")


def test_a_client_sees_the_public_fields_and_no_other():
    shown = problem(TooDeep("Bring more rope", rope_m=5, depth_m=90, well_id="w1"), trace_id="t1").as_dict()
    assert shown == {
        "type": "urn:overworld:problem:test.too_deep",
        "title": "The well is deeper than the rope",
        "status": 409,
        "code": "test.too_deep",
        "retryable": False,
        "detail": "Bring more rope",
        "trace_id": "t1",
        "well_id": "w1",
        "rope_m": 5,
    }


def test_what_was_not_given_is_left_out():
    assert problem(TooDeep(rope_m=5)).as_dict() == {
        "type": "urn:overworld:problem:test.too_deep",
        "title": "The well is deeper than the rope",
        "status": 409,
        "code": "test.too_deep",
        "retryable": False,
        "rope_m": 5,
    }


def test_a_field_cannot_pass_for_a_member_of_the_problem():
    forged = Problem(type="t", title="T", status=409, code="c", retryable=False, public={"status": 200, "own": 1})
    assert forged.as_dict()["status"] == 409
    assert forged.as_dict()["own"] == 1


def test_public_fields_come_in_the_declared_order():
    assert list(TooDeep(rope_m=5, well_id="w1").public_fields()) == ["well_id", "rope_m"]


@pytest.mark.parametrize("refusal", [TooDeep(), TooDeep("Bring more rope", rope_m=5, depth_m=90)])
def test_a_copy_is_the_same_refusal(refusal):
    """Group commit hands every caller of a refused batch a copy."""
    twin = copy(refusal)
    assert (type(twin), str(twin), twin.detail, twin.fields) == (
        type(refusal),
        str(refusal),
        refusal.detail,
        refusal.fields,
    )


def test_a_stored_refusal_can_be_made_again():
    first = TooDeep("Bring more rope", rope_m=5)
    again = refusal_from(first.code, detail=first.detail, fields=first.public_fields())
    assert type(again) is TooDeep
    assert problem(again) == problem(first)


def test_an_unknown_code_cannot_be_made():
    with pytest.raises(KeyError):
        refusal_from("test.never_declared")


@pytest.mark.parametrize("kind", [Fault, Busy])
def test_faults_are_worth_another_try(kind):
    shown = problem(kind())
    assert (shown.status, shown.retryable) == (503, True)


def test_a_code_belongs_to_one_class():
    with pytest.raises(TypeError, match=r"test\.too_deep"):

        class Impostor(Refusal):
            """Another."""

            code = "test.too_deep"


def test_a_refusal_without_a_title_cannot_be_declared():
    with pytest.raises(TypeError, match="needs a docstring"):

        class Wordless(Refusal):
            code = "test.wordless"


def test_a_subclass_without_a_code_of_its_own_answers_as_its_parent():
    class Bottomless(TooDeep):
        """The well has no bottom."""

    assert Bottomless.code == "test.too_deep"
    assert Refusal.registry["test.too_deep"] is TooDeep
