package usp

import (
	"bytes"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// secretEndings are how the names of parameters end whose values are credentials: those that TR-181 marks as
// secured, and what vendors call theirs.
var secretEndings = [...]string{
	"password", "passphrase", "passwd", "passcode", "secret", "privatekey", "presharedkey", "psk", "wepkey",
	"encryptionkey", "authenticationkey", "keyvalue", "authenticationcode", "privatecredential", "token",
}

// IsSecretName reports whether a parameter or argument, by its name alone, holds a credential: a password, passphrase,
// secret, PIN or key. The name may be a whole path: Value is secret below ControllerTrust.Challenge and as
// the argument of ChallengeResponse() (TR-181).
func IsSecretName(param string) bool {
	_, name := SplitName(param)
	if i := strings.LastIndexByte(name, ')'); i >= 0 { // an argument behind its command
		name = name[i+1:]
	}
	if name == "Value" {
		return strings.Contains(param, "Challenge")
	}
	name = strings.TrimRight(name, "0123456789")
	if strings.HasSuffix(name, "PIN") { // in capitals: other words end in "pin"
		return true
	}
	name = strings.ToLower(name)
	for _, ending := range secretEndings {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// MayHoldSecrets reports whether the encoded bytes of a Message hold anything that is written like the name of a secret
// parameter: without it, Secrets finds none.
func MayHoldSecrets(encoded []byte) bool {
	if bytes.Contains(encoded, []byte("PIN")) || bytes.Contains(encoded, []byte("Value")) && bytes.Contains(encoded, []byte("Challenge")) {
		return true
	}
	lower := bytes.ToLower(encoded)
	for _, ending := range secretEndings {
		if bytes.Contains(lower, []byte(ending)) {
			return true
		}
	}
	return false
}

// Secrets returns the values of all secret parameters and arguments in a Message, each once, in order; empty ones
// are no secrets.
func Secrets(m *usppb.Msg) []string {
	var found []string
	if body := BodyOf(m); body != nil {
		collectSecrets(body.ProtoReflect(), "", &found)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func collectSecrets(m protoreflect.Message, owner string, found *[]string) {
	add := func(value string) {
		if value != "" {
			*found = append(*found, value)
		}
	}
	owner = ownerIn(m, owner)
	if fd := secretField(m, owner); fd != nil {
		add(m.Get(fd).String())
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				if IsSecretName(owner + key.String()) {
					add(value.String())
				}
				return true
			})
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				collectSecrets(v.List().Get(i).Message(), owner, found)
			}
		default:
			collectSecrets(v.Message(), owner, found)
		}
		return true
	})
}

// ownerIn returns the object or command that m names and that the names within m are relative to; otherwise the
// one from above.
func ownerIn(m protoreflect.Message, above string) string {
	for _, name := range [...]protoreflect.Name{"obj_path", "resolved_path", "affected_path", "instantiated_path",
		"instantiated_obj_path", "command", "executed_command"} {
		if fd := m.Descriptor().Fields().ByName(name); fd != nil {
			return m.Get(fd).String()
		}
	}
	return above
}

// secretField returns the field of m with the value of a parameter that m names beside it, if that is secret.
func secretField(m protoreflect.Message, owner string) protoreflect.FieldDescriptor {
	for _, pair := range [...][2]protoreflect.Name{{"param", "value"}, {"param_path", "param_value"}} {
		param, value := m.Descriptor().Fields().ByName(pair[0]), m.Descriptor().Fields().ByName(pair[1])
		if param != nil && value != nil && IsSecretName(owner+m.Get(param).String()) {
			return value
		}
	}
	return nil
}
