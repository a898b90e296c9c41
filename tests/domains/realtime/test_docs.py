"""`docs/protocol.md` names everything a client can meet."""

from pathlib import Path
from typing import get_args

import msgspec

from overworld.domains.realtime import errors, messages
from overworld.domains.realtime.types import CloseCode, RealtimeSettings
from overworld.kernel.refusals import Refusal

PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()


def test_every_refusal_of_the_socket_is_documented():
    ours = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Refusal)]
    codes = {one.code for one in ours if one is not Refusal}
    assert len(codes) > 10
    assert [code for code in codes if f"`{code}`" not in PROTOCOL] == []


def test_every_message_is_documented():
    kinds = [*get_args(messages.AnyClientMessage), *messages.ServerMessage.__subclasses__()]
    tags = {kind.__struct_config__.tag for kind in kinds}
    assert len(tags) == 12
    assert [tag for tag in tags if f"`{tag}`" not in PROTOCOL] == []


def test_every_close_code_is_documented():
    assert [code.value for code in CloseCode if f"| {code.value} |" not in PROTOCOL] == []


def test_every_setting_is_documented_and_described():
    for field in msgspec.structs.fields(RealtimeSettings):
        assert f"`{field.name}`" in PROTOCOL, field.name
        assert "description=" in str(field.type), field.name
