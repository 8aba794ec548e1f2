"""Joining a cluster that is not there."""

from __future__ import annotations

import socket

import pytest

from rl.cluster.calls import knock, ray_at
from rl.errors import BadInput


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_address_at_which_nobody_listens_is_bad_input_at_once():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BadInput) as refused, ray_at(address):
        pass
    assert str(refused.value) == (
        f"cluster.address={address}: there is no Ray cluster to join; "
        "run `ray start` there first, or set cluster.address=local"
    )


def test_where_somebody_listens_ray_is_asked():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert knock(f"127.0.0.1:{server.getsockname()[1]}") is None


@pytest.mark.parametrize("address", ["local", "auto", "ray://127.0.0.1:1"])
def test_other_addresses_are_ray_s_to_resolve(address):
    assert knock(address) is None
