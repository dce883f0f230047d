// Package subscription is the domain: which addresses are taken, how a subscription moves from state to state, and how
// that is kept.
//
// Invariants: an address has one row at most, whatever its spelling; every decision is made by the pure function
// Transition; every change of state commits together with exactly one ledger event, and every sign-up request with
// exactly one, whether it changes anything or not; every sign-up request runs the same statements, so an observer learns
// nothing about an address; mail to strangers is bounded by counts in the same transaction that queues it; each
// operation is one transaction in two round trips, repeatable when its answer was lost; its time is read when it holds its
// locks, so that the order of times is the order of what happened.
//
// Failure policy: the database's errors are returned, and the operation may or may not have happened; repeating it leads
// to the same end. What is wrong with a person's input or link is ErrUnknown, ErrUnknownConsent or an *AddressError, and
// nothing was written. No error holds personal data.
package subscription
