"""Compiled conditions: a Python function over a connection request as verified eBPF.

The function is read as text and compiled when it is decorated. What is not part of the small
language is an error there, with the place and the cure. As ordinary Python it gives the same
verdict.
"""

from pyprov.conditions.decorator import Condition as Condition
from pyprov.conditions.decorator import condition as condition
from pyprov.conditions.error import ConditionError as ConditionError
from pyprov.conditions.prefix import prefix as prefix
from pyprov.conditions.program import ConditionCounts as ConditionCounts
from pyprov.conditions.program import Program as Program
from pyprov.conditions.request import CallerData as CallerData
from pyprov.conditions.request import ConnectionRequest as ConnectionRequest
from pyprov.conditions.request import Endpoint as Endpoint
from pyprov.conditions.request import Flow as Flow
from pyprov.conditions.request import RequestQos as RequestQos
from pyprov.conditions.request import Sources as Sources
from pyprov.conditions.request import Syn as Syn
from pyprov.conditions.verdict import ACCEPT as ACCEPT
from pyprov.conditions.verdict import ASK as ASK
from pyprov.conditions.verdict import DROP as DROP
from pyprov.conditions.verdict import REJECT as REJECT
from pyprov.conditions.verdict import Verdict as Verdict
