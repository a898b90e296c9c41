"""What an operator may set about Kafka."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from overworld.kernel.secretive import Secretive

Security = Literal["none", "tls", "scram", "scram_tls"]


class KafkaSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `kafka`: where its brokers are, who we are there, and what topics are made with."""

    servers: Annotated[
        str, Meta(max_length=2_048, description="Brokers to begin with, as kafka-1:9092,kafka-2:9092")
    ] = ""
    prefix: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[a-zA-Z0-9._-]*$",
            description="Begins every topic and group: servers of one game share it, others on that Kafka need another",
        ),
    ] = ""
    security: Annotated[
        Security, Meta(description="How brokers are reached: scram signs in with a name and password, tls encrypts")
    ] = "none"
    mechanism: Annotated[Literal["SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="How the password is proved")] = (
        "SCRAM-SHA-512"
    )
    username: Annotated[str, Meta(max_length=255, description="Signs in to the brokers")] = ""
    password: Annotated[str, Meta(max_length=1_024, description="Goes with `username`", extra={"secret": True})] = ""
    tls_ca: Annotated[
        str,
        Meta(max_length=4_096, description="Certificates that brokers are checked by, a file; empty: the system's"),
    ] = ""
    tls_certificate: Annotated[
        str, Meta(max_length=4_096, description="File of a certificate of our own, where brokers ask for one")
    ] = ""
    tls_key: Annotated[str, Meta(max_length=4_096, description="File of that certificate's key")] = ""
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"], Meta(description="How what is sent is compressed")
    ] = "zstd"
    replicas: Annotated[
        int,
        Meta(
            ge=1,
            le=9,
            description="Replicas of a topic at most; from 2 on topics have the partitions of a cluster",
        ),
    ] = 1
    message_max_bytes: Annotated[
        int, Meta(ge=1_000, le=100_000_000, description="Longest event that the brokers take")
    ] = 1_000_000
    acknowledge_s: Annotated[
        float, Meta(gt=0, le=600, description="Wait for acknowledgements before it is told that they are late")
    ] = 10.0
    session_s: Annotated[
        float, Meta(ge=1, le=600, description="Silence after which a consumer's partitions go to the others")
    ] = 10.0
    hand_over_s: Annotated[
        float, Meta(gt=0, le=600, description="Time for the events in hand when partitions go to another consumer")
    ] = 5.0

    def __post_init__(self) -> None:
        if self.security.startswith("scram") and not (self.username and self.password):
            raise ValueError(f"kafka.security {self.security} needs kafka.username and kafka.password")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("kafka.tls_certificate and kafka.tls_key go together")
        if self.hand_over_s >= self.session_s * 30:
            raise ValueError("kafka.hand_over_s is far longer than kafka.session_s: partitions would be taken away")
