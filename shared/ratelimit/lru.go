package ratelimit

import "container/list"

// lru is a map of limited size that drops the least recently used key. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	size  int
	order *list.List // of pair[K, V], most recently used first
	at    map[K]*list.Element
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int) *lru[K, V] {
	return &lru[K, V]{size, list.New(), make(map[K]*list.Element)}
}

func (l *lru[K, V]) get(key K) (V, bool) {
	element, found := l.at[key]
	if !found {
		var none V
		return none, false
	}
	l.order.MoveToFront(element)
	return element.Value.(pair[K, V]).value, true
}

func (l *lru[K, V]) put(key K, value V) {
	if element, found := l.at[key]; found {
		element.Value = pair[K, V]{key, value}
		l.order.MoveToFront(element)
		return
	}
	l.at[key] = l.order.PushFront(pair[K, V]{key, value})
	if l.order.Len() > l.size {
		l.remove(l.order.Back())
	}
}

func (l *lru[K, V]) delete(key K) {
	if element, found := l.at[key]; found {
		l.remove(element)
	}
}

// deleteIf removes all matching values.
func (l *lru[K, V]) deleteIf(match func(V) bool) {
	for element := l.order.Front(); element != nil; {
		next := element.Next()
		if match(element.Value.(pair[K, V]).value) {
			l.remove(element)
		}
		element = next
	}
}

func (l *lru[K, V]) remove(element *list.Element) {
	delete(l.at, element.Value.(pair[K, V]).key)
	l.order.Remove(element)
}
