"""Campaigns: many meters taken to another key, chunk by chunk, each by a key change of its own.

What is public, and in which module:

* ``drafting``: ``draft``, ``change_draft``, ``discard``
* ``preview``: ``preview``
* ``beginning``: ``START``, ``Begin``, ``begin_of``
* ``steering``: ``pause``, ``go_on``, ``stop``
* ``progress``: ``progress``, ``left_out``
* ``sheets``: ``coming``, ``sheet``; ``walk``: the order of the route
* ``messages``: ``send_messages``
* ``report``: ``ask_report``, ``report_rows``
* ``making``: ``make``, the job; ``reconcile``: ``reconcile_chunks``

Source: SALE.md, "10. Key change"; docs/campaigns.md.
"""
