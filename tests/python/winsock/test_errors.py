"""The error numbers, their exception, and the dataplane's numbers in Winsock's words."""

import errno
import pickle

import pytest

from pyprov.winsock import codes
from pyprov.winsock.errors import FROM_ERRNO, WSA, WSAError, check, code_from_errno


@pytest.mark.parametrize(
    ("name", "code", "posix"),
    [
        ("WSA_INVALID_HANDLE", 6, errno.EBADF),
        ("WSA_NOT_ENOUGH_MEMORY", 8, errno.ENOMEM),
        ("WSA_INVALID_PARAMETER", 87, errno.EINVAL),
        ("WSA_OPERATION_ABORTED", 995, errno.ECANCELED),
        ("WSA_IO_INCOMPLETE", 996, errno.EINPROGRESS),
        ("WSA_IO_PENDING", 997, errno.EINPROGRESS),
        ("WSAEINTR", 10004, errno.EINTR),
        ("WSAEACCES", 10013, errno.EACCES),
        ("WSAEFAULT", 10014, errno.EFAULT),
        ("WSAEINVAL", 10022, errno.EINVAL),
        ("WSAEWOULDBLOCK", 10035, errno.EAGAIN),
        ("WSAENOTSOCK", 10038, errno.ENOTSOCK),
        ("WSAEOPNOTSUPP", 10045, errno.EOPNOTSUPP),
        ("WSAECONNRESET", 10054, errno.ECONNRESET),
        ("WSAECONNREFUSED", 10061, errno.ECONNREFUSED),
        ("WSAEHOSTUNREACH", 10065, errno.EHOSTUNREACH),
        ("WSANOTINITIALISED", 10093, errno.ENXIO),
        ("WSAEDISCON", 10101, errno.ESHUTDOWN),
        ("WSAEREFUSED", 10112, errno.ECONNREFUSED),
        ("WSATRY_AGAIN", 11002, errno.EAGAIN),
        ("WSA_QOS_RECEIVERS", 11005, errno.EPROTO),
        ("WSA_QOS_EUNKOWNPSOBJ", 11024, errno.EINVAL),
        ("WSA_QOS_RESERVED_PETYPE", 11031, errno.EINVAL),
    ],
)
def test_an_error_says_its_code_name_and_posix_number(name, code, posix):
    error = WSAError(code)
    assert (error.code, error.name, error.errno) == (code, name, posix)
    assert str(error) == f"{name} ({code}): {WSA(code).message}"
    assert getattr(codes, name) is WSA(code)


def test_posix_numbers_are_those_of_the_same_name_where_there_is_one():
    odd = {"WSAEWOULDBLOCK": errno.EWOULDBLOCK, "WSAEINPROGRESS": errno.EINPROGRESS}
    for member in WSA:
        if not member.name.startswith("WSAE"):
            continue
        same = getattr(errno, member.name.removeprefix("WSA"), None)
        assert same is None or member.posix == odd.get(member.name, same), member.name


def test_every_code_is_exported_under_its_own_name():
    exported = {name: value for name, value in vars(codes).items() if not name.startswith("_")}
    assert exported.pop("WSA_QOS_EUNKNOWNPSOBJ") is WSA.WSA_QOS_EUNKOWNPSOBJ
    assert exported == dict(WSA.__members__)
    assert len(WSA.__members__) == len(WSA), "two names share a number"


def test_messages_are_one_plain_line_each():
    messages = [member.message for member in WSA]
    assert all(m and m == m.strip() and "\n" not in m and not m.endswith(".") for m in messages)


def test_it_is_an_oserror_and_carries_outputs():
    error = WSAError(10061, "the condition function refused", addr=("10.9.0.1", 4242), needed=628)
    assert isinstance(error, OSError)
    assert error.strerror == "the condition function refused"
    assert error.addr == ("10.9.0.1", 4242)
    assert error.needed == 628
    assert str(error) == "WSAECONNREFUSED (10061): the condition function refused"


def test_without_outputs_they_are_none():
    assert (WSAError(10035).addr, WSAError(10035).needed) == (None, None)


def test_a_number_that_is_not_winsocks_is_kept_as_it_is():
    error = WSAError(31337)
    assert (error.code, error.name, error.errno) == (31337, "ERROR_31337", errno.EIO)


def test_it_survives_pickling():
    error = pickle.loads(pickle.dumps(WSAError(10013, "withdrawn", addr=("::1", 1, 0, 0))))
    assert (error.code, error.strerror, error.addr) == (10013, "withdrawn", ("::1", 1, 0, 0))
    assert error.code is WSA.WSAEACCES


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ECONNRESET, 10054),
        (errno.EAGAIN, 10035),
        (errno.EINPROGRESS, 10035),
        (errno.EALREADY, 10037),
        (errno.EINVAL, 10022),
        (errno.ENFILE, 10024),
        (errno.EMFILE, 10024),
        (errno.EPIPE, 10058),
        (errno.ENOENT, 10050),
        (errno.ENODEV, 10050),
        (errno.EPERM, 10013),
        (errno.EACCES, 10013),
        (errno.ENOMEM, 10055),
        (errno.ENOBUFS, 10055),
        (errno.ESTALE, 10038),
        (errno.EBADF, 10038),
        (errno.ECANCELED, 995),
        (errno.ENOTSUP, 10045),
        (errno.EXDEV, 10107),
    ],
)
def test_the_dataplanes_numbers_become_winsocks(number, code):
    assert code_from_errno(-number) == code


def test_every_posix_number_of_an_error_leads_back_to_winsock():
    lost = {
        member.name for member in WSA if 10004 <= member < 10091 and member.posix not in FROM_ERRNO
    }
    assert lost == {
        *("WSAETOOMANYREFS", "WSAELOOP", "WSAENAMETOOLONG", "WSAENOTEMPTY", "WSAEPROCLIM"),
        *("WSAEUSERS", "WSAEDQUOT", "WSAEREMOTE"),
    }, "the dataplane has no use for these"


def test_check_hands_counts_through_and_raises_the_rest():
    assert check(0) == 0
    assert check(17) == 17
    with pytest.raises(WSAError) as caught:
        check(-errno.ECONNRESET)
    assert caught.value.code is WSA.WSAECONNRESET
    with pytest.raises(WSAError, match="-9999"):
        check(-9999)
