package main

import (
	"runtime"
	"sync"
	"testing"
)

const (
	million      = 1_000_000
	skynetFan    = 10
	skynetLeaves = 1_000_000
	skynetAnswer = 499_999_500_000
	fibOf        = 24
	fibAnswer    = 46_368
	fibTasks     = 75_024 // fib(25) - 1: as many goroutines
)

// Of the ways to wait for one goroutine the one that measured fastest: a channel made once, with
// room for the word.
func spawnJoin(b *testing.B) {
	done := make(chan struct{}, 1)
	ran := uint64(0)
	for i := 0; i < b.N; i++ {
		go func() {
			ran++
			done <- struct{}{}
		}()
		<-done
	}
	expect("the number of goroutines that ran", ran, uint64(b.N))
}

func spawnMany(b *testing.B) {
	for i := 0; i < b.N; i++ {
		var left sync.WaitGroup
		left.Add(million)
		for n := 0; n < million; n++ {
			go left.Done()
		}
		left.Wait()
	}
}

func visit(first, leaves uint64) uint64 {
	if leaves == 1 {
		return first
	}
	share := leaves / skynetFan
	var answers [skynetFan]uint64
	var children sync.WaitGroup
	children.Add(skynetFan)
	for i := range answers {
		i := i
		go func() {
			answers[i] = visit(first+uint64(i)*share, share)
			children.Done()
		}()
	}
	children.Wait()
	sum := uint64(0)
	for _, answer := range answers {
		sum += answer
	}
	return sum
}

func skynet(b *testing.B) {
	for i := 0; i < b.N; i++ {
		answer := make(chan uint64)
		go func() { answer <- visit(0, skynetLeaves) }()
		expect("skynet", <-answer, skynetAnswer)
	}
}

func visitByChannel(answer chan uint64, first, leaves uint64) {
	if leaves == 1 {
		answer <- first
		return
	}
	share := leaves / skynetFan
	answers := make(chan uint64)
	for i := uint64(0); i < skynetFan; i++ {
		go visitByChannel(answers, first+i*share, share)
	}
	sum := uint64(0)
	for i := 0; i < skynetFan; i++ {
		sum += <-answers
	}
	answer <- sum
}

func skynetChannel(b *testing.B) {
	for i := 0; i < b.N; i++ {
		answer := make(chan uint64)
		go visitByChannel(answer, 0, skynetLeaves)
		expect("skynet", <-answer, skynetAnswer)
	}
}

func fibByGroup(n uint64) uint64 {
	if n < 2 {
		return n
	}
	var first uint64
	var child sync.WaitGroup
	child.Add(1)
	go func() {
		first = fibByGroup(n - 1)
		child.Done()
	}()
	second := fibByGroup(n - 2)
	child.Wait()
	return first + second
}

func fibByChannel(n uint64) uint64 {
	if n < 2 {
		return n
	}
	first := make(chan uint64, 1)
	go func() { first <- fibByChannel(n - 1) }()
	second := fibByChannel(n - 2)
	return <-first + second
}

// With one carrier a WaitGroup measured faster by a sixth, with two a channel by two fifths.
func fibSpawn(b *testing.B) {
	fib := fibByGroup
	if runtime.GOMAXPROCS(0) > 1 {
		fib = fibByChannel
	}
	for i := 0; i < b.N; i++ {
		expect("fib", fib(fibOf), fibAnswer)
	}
}
