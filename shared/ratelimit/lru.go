package ratelimit

import "container/list"

// lru is a map of bounded size: the key that was asked for least recently makes way. It is not safe for concurrent use.
type lru[V any] struct {
	size  int
	order *list.List // of pair[V], the last asked for in front
	at    map[string]*list.Element
}

type pair[V any] struct {
	key   string
	value V
}

func newLRU[V any](size int) *lru[V] {
	return &lru[V]{size, list.New(), make(map[string]*list.Element)}
}

func (l *lru[V]) get(key string) (V, bool) {
	element, found := l.at[key]
	if !found {
		var none V
		return none, false
	}
	l.order.MoveToFront(element)
	return element.Value.(pair[V]).value, true
}

func (l *lru[V]) put(key string, value V) {
	if element, found := l.at[key]; found {
		element.Value = pair[V]{key, value}
		l.order.MoveToFront(element)
		return
	}
	l.at[key] = l.order.PushFront(pair[V]{key, value})
	if l.order.Len() > l.size {
		l.remove(l.order.Back())
	}
}

func (l *lru[V]) delete(key string) {
	if element, found := l.at[key]; found {
		l.remove(element)
	}
}

// deleteIf removes all that match.
func (l *lru[V]) deleteIf(match func(V) bool) {
	for element := l.order.Front(); element != nil; {
		next := element.Next()
		if match(element.Value.(pair[V]).value) {
			l.remove(element)
		}
		element = next
	}
}

func (l *lru[V]) remove(element *list.Element) {
	delete(l.at, element.Value.(pair[V]).key)
	l.order.Remove(element)
}
