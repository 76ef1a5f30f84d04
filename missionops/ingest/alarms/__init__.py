"""Alarms: found in the transaction that stores telemetry, or a moment later where telemetry came late.

`memory` has the folds that are not quiet; `in_order` steps them with what a batch stores, and marks what it cannot;
`late` folds marked spans again from what is stored; `writing` keeps what became of alarms and has it told.
"""
