"""Keep decisions, leases, baselines and correlation windows: the port `Ledger`.

SQLite serves one worker, DynamoDB any number of replicas; both pass the same tests. `acquire`
answers, for a key and the digest of its payload:

    stored               lease        acquire answers
    -------------------  -----------  ---------------------------------------------------
    nothing              -            EventLease, fencing token 1
    open, other digest   any          Conflict
    open                 running      Busy for the rest of the lease, the owner included
    open                 ended        EventLease, fencing token + 1, with the stored record
    open, released       -            EventLease, fencing token + 1, with the stored record
    done, other digest   -            Conflict
    done                 -            Done

`save`, `renew`, `finish` and `release` succeed only for the latest fencing token of an open event;
otherwise they raise `LostLease` and change nothing. `finish` also succeeds once more for the worker
that finished the event, because its answer may have been lost. An undo is stored beside the record,
so that a worker that is still saving cannot overwrite what a person did in the meantime.

    records.py   documents, index fields and text, the same for both stores
    cursor.py    positions between two pages
    sqlite.py    one file, with its schema in sqlite_file.py
    dynamodb.py  one table, defined in dynamodb_table.py and queried in dynamodb_pages.py
"""
