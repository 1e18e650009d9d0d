// How long does it take to yield to another goroutine? Two goroutines do nothing else. (With two Ps each may have one
// for itself, and then it yields to nobody.)
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func main() {
	size := 2000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	var both sync.WaitGroup
	start := time.Now()
	for range 2 {
		both.Go(func() {
			for range size {
				runtime.Gosched()
			}
		})
	}
	both.Wait()
	fmt.Printf("switch %.3f ns\n", float64(time.Since(start))/(2*float64(size)))
}
