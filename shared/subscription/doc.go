// Package subscription is the domain: it validates addresses, decides how a subscription changes state, and stores the
// result.
//
// Invariants:
//   - An address has at most one row, whatever its spelling.
//   - The pure function transition makes every decision.
//   - Every change of state commits together with exactly one ledger event. So does every sign-up, even if it changes
//     nothing.
//   - Every sign-up runs the same statements, so an observer learns nothing about an address.
//   - CheckSend alone counts the mailbox budget, and admission assigns the slots at a domain, from requests alone.
//   - Each operation is one transaction in two round trips, and can be repeated when its answer was lost.
//   - An operation reads the clock while it holds its locks, so the order of times is the order of operations.
//
// Failure policy: after an error of the database, the operation may or may not have happened; repeating it leads to the
// same result. Invalid input and links return ErrUnknown or an *AddressError, and nothing is
// written. No error contains personal data.
package subscription
