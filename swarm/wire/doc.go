// Package wire turns bytes into messages and back, by docs/PROTOCOL.md section 4.
//
// A frame is a head (length and type) and a payload. The frame comes first: ParseHead refuses an unknown type and a length
// outside the type's limits before a byte of payload is read, and each Parse function looks only inside the payload it is
// given, where leftover bytes are an error. Every count and length is compared with its cap and with the bytes that are
// there before anything is allocated for it. Encodings are canonical: what a Parse function accepts, the Append function
// beside it gives back byte for byte (a REPORT, being JSON, alone excepted).
//
// Append functions add a whole frame, head included, to a slice. They panic on a message that breaks this package's own
// rules, because only a caller's mistake can make one. Parse functions never panic; what they refuse wraps ErrProtocol.
//
// The package keeps no state, starts no goroutine and does no I/O beyond reading a frame. Its functions are safe for
// concurrent use on distinct slices.
package wire
