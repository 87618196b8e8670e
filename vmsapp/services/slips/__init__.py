"""What a receipt says, put down once: the screen, the paper and the file show the same."""

from vmsapp.services.slips.content import Amount, Fact, Slip, TokenBlock
from vmsapp.services.slips.pdf import write_pdf

__all__ = ["Amount", "Fact", "Slip", "TokenBlock", "write_pdf"]
