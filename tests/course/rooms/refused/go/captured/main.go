// One loop variable for all iterations, as it was before Go 1.22: go.mod asks for that language.
package main

import (
	"fmt"
	"sync"
)

func main() {
	var ended sync.WaitGroup
	looped := make(chan struct{})
	for _, recipient := range []string{"ann", "bob", "cid"} {
		ended.Add(1)
		go func() { <-looped; fmt.Println("to", recipient); ended.Done() }()
	}
	close(looped)
	ended.Wait()
}
