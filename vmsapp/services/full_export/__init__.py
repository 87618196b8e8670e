"""Everything in open formats: each table as CSV, the audit trail with its chain as JSON Lines.

``left_out`` says what stays here and why; ``words`` and ``dictionary`` say what each file and
column means; ``cells`` writes values, ``target`` files; ``writing`` does all of it in one
transaction that only reads, so that the files agree with each other.
"""
