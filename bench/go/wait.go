package main

import (
	"runtime"
	"sync"
	"testing"
)

const (
	yields          = 1 << 16
	messages        = 1 << 17
	channelCapacity = 128
	increments      = 1 << 20
	mutexHolders    = 8
	selectRoom      = 1024 // in each of four channels
	selects         = 3 * selectRoom
)

func yield(b *testing.B) {
	for i := 0; i < b.N; i++ {
		var both sync.WaitGroup
		both.Add(2)
		for half := 0; half < 2; half++ {
			go func() {
				for n := 0; n < yields/2; n++ {
					runtime.Gosched()
				}
				both.Done()
			}()
		}
		both.Wait()
	}
}

func pingpong(b *testing.B) {
	toPong := make(chan uint64)
	toPing := make(chan uint64)
	go func() {
		for ball := range toPong {
			toPing <- ball + 1
		}
	}()
	ball := uint64(0)
	for i := 0; i < b.N; i++ {
		toPong <- ball
		ball = <-toPing
	}
	close(toPong)
	expect("the number of round trips", ball, uint64(b.N))
}

// Every value from 0 to messages - 1 goes through the channel once.
func throughChannel(senders, receivers int) func(b *testing.B) {
	return func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			channel := make(chan uint64, channelCapacity)
			sums := make(chan uint64)
			for r := 0; r < receivers; r++ {
				go func() {
					sum := uint64(0)
					for value := range channel {
						sum += value
					}
					sums <- sum
				}()
			}
			var sending sync.WaitGroup
			sending.Add(senders)
			for s := 0; s < senders; s++ {
				first := s
				go func() {
					for value := first; value < messages; value += senders {
						channel <- uint64(value)
					}
					sending.Done()
				}()
			}
			sending.Wait()
			close(channel)
			sum := uint64(0)
			for r := 0; r < receivers; r++ {
				sum += <-sums
			}
			expect("the sum of all messages", sum, messages*(messages-1)/2)
		}
	}
}

// All four are ready each time: a quarter of what they hold is left in the end, and it is drained.
func selectOfFour(b *testing.B) {
	var channels [4]chan uint64
	for i := range channels {
		channels[i] = make(chan uint64, selectRoom)
	}
	for i := 0; i < b.N; i++ {
		b.StopTimer()
		for n := uint64(0); n < 4*selectRoom; n++ {
			channels[n%4] <- n
		}
		sum := uint64(0)
		b.StartTimer()
		for n := 0; n < selects; n++ {
			select {
			case value := <-channels[0]:
				sum += value
			case value := <-channels[1]:
				sum += value
			case value := <-channels[2]:
				sum += value
			case value := <-channels[3]:
				sum += value
			}
		}
		b.StopTimer()
		for _, channel := range channels {
			for len(channel) != 0 {
				sum += <-channel
			}
		}
		expect("the sum of all values", sum, 4*selectRoom*(4*selectRoom-1)/2)
		b.StartTimer()
	}
}

func mutexOfEight(b *testing.B) {
	for i := 0; i < b.N; i++ {
		var mutex sync.Mutex
		var holders sync.WaitGroup
		count := uint64(0)
		holders.Add(mutexHolders)
		for h := 0; h < mutexHolders; h++ {
			go func() {
				for n := 0; n < increments/mutexHolders; n++ {
					mutex.Lock()
					count++
					mutex.Unlock()
				}
				holders.Done()
			}()
		}
		holders.Wait()
		expect("the count under the lock", count, increments)
	}
}
