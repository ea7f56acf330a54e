"""The ledger of reservations balances, whatever happens to those who hold them."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pyprov.core.admission import Ledger, Rates

CAPACITY = (1000, 300)


class Connection:
    def __init__(self):
        self.alive = True

    def is_alive(self):
        return self.alive


AMOUNTS = st.one_of(st.sampled_from([0, 1, 299, 300, 301, 999, 1000, 1001]), st.integers(0, 1200))
RATES = st.builds(Rates, AMOUNTS, AMOUNTS)
PORTS = st.integers(0, 2)  # the last one does not exist


class LedgerBalances(RuleBasedStateMachine):
    """Against a plain list of who holds what."""

    def __init__(self):
        super().__init__()
        self.ledger = Ledger(CAPACITY)
        self.connections = [Connection() for _ in range(6)]
        self.held = {}

    def living(self, port, besides=None):
        return [
            rates
            for connection, (at, rates) in self.held.items()
            if at == port and connection.alive and connection is not besides
        ]

    @rule(which=st.integers(0, 5), port=PORTS, rates=RATES)
    def reserve(self, which, port, rates):
        connection = self.connections[which]
        if not connection.alive:
            return
        most = CAPACITY[port] if port < 2 else 0
        others = self.living(port, connection)
        used = [sum(rates[way] for rates in others) for way in (0, 1)]
        fits = all(not rates[way] or rates[way] + used[way] <= most for way in (0, 1))
        assert self.ledger.reserve(connection, port, rates) == fits
        if fits:
            self.held[connection] = (port, rates)

    @rule(which=st.integers(0, 5))
    def release(self, which):
        self.ledger.release(self.connections[which])
        self.held.pop(self.connections[which], None)

    @rule(which=st.integers(0, 5))
    def end_by_itself(self, which):
        """A reset or a time-out that nobody was told of; its place is another's then."""
        self.connections[which].alive = False
        self.connections[which] = Connection()

    @invariant()
    def balances(self):
        for port, most in enumerate(CAPACITY):
            total = self.ledger.total(port)
            living = self.living(port)
            assert total == (sum(r[0] for r in living), sum(r[1] for r in living))
            assert max(total) <= most
        for connection in self.connections:
            assert self.ledger.held(connection) == self.held.get(connection, (0, Rates()))[1]


TestLedgerBalances = LedgerBalances.TestCase


@given(RATES)
def test_a_refusal_changes_nothing(rates):
    ledger, one, other = Ledger(CAPACITY), Connection(), Connection()
    assert ledger.reserve(one, 0, Rates(600, 100))
    if not ledger.reserve(other, 0, rates):
        assert ledger.held(other) == (0, 0)
    assert ledger.held(one) == (600, 100)
    if not ledger.reserve(one, 0, Rates(1001, 0)):
        assert ledger.held(one) == (600, 100)
