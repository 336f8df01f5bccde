"""Scripted backends on real sockets: they check what they are sent, draw small pictures and keep a ledger."""

from backends.azure import AzureBackend
from backends.ledger import Ledger, Record
from backends.openai import OpenAIBackend
from backends.server import Close, Cut, Drip, Empty, Hang, Hold, Raw, Reset, Status, Step
from backends.streams import StreamCut, StreamError, StreamHang, StreamHold

__all__ = [
    "AzureBackend",
    "Close",
    "Cut",
    "Drip",
    "Empty",
    "Hang",
    "Hold",
    "Ledger",
    "OpenAIBackend",
    "Raw",
    "Record",
    "Reset",
    "Status",
    "Step",
    "StreamCut",
    "StreamError",
    "StreamHang",
    "StreamHold",
]
