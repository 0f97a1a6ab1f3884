// Package usppb is the generated code of the USP 1.4 Record and Message (TR-369, "Message Encoding").
package usppb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go_opt=Mrecord.proto=github.com/usptest/usptest/harness/usp/usppb --go_opt=Mmsg.proto=github.com/usptest/usptest/harness/usp/usppb record.proto msg.proto
