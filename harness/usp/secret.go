package usp

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// secretEndings are how the names of parameters end whose values are credentials: those that TR-181 marks as
// secured, and what vendors call theirs.
var secretEndings = [...]string{
	"password", "passphrase", "passwd", "passcode", "secret", "privatekey", "presharedkey", "psk", "wepkey",
	"encryptionkey", "authenticationkey", "authenticationcode", "privatecredential", "token",
}

// IsSecretName reports whether a parameter or argument, by its name alone, holds a credential: a password,
// passphrase, secret, PIN or key. The name may be a whole path.
func IsSecretName(param string) bool {
	name := param[strings.LastIndexByte(param, '.')+1:]
	name = strings.TrimRight(name, "0123456789")
	if strings.HasSuffix(name, "PIN") { // in capitals: a name may end in "…ping"
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

// Secrets returns the values of all secret parameters and arguments in a Message, each once, in order; empty ones
// are no secrets.
func Secrets(m *usppb.Msg) []string {
	var found []string
	if body := BodyOf(m); body != nil {
		collectSecrets(body.ProtoReflect(), &found)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func collectSecrets(m protoreflect.Message, found *[]string) {
	if v := secretValueField(m); v != nil && m.Get(v).String() != "" {
		*found = append(*found, m.Get(v).String())
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				if isSecretKey(m, key.String()) && value.String() != "" {
					*found = append(*found, value.String())
				}
				return true
			})
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				collectSecrets(v.List().Get(i).Message(), found)
			}
		case fd.Message() != nil:
			collectSecrets(v.Message(), found)
		}
		return true
	})
}

// secretValueField returns the field of m that holds the value of a secret parameter which m names beside it.
func secretValueField(m protoreflect.Message) protoreflect.FieldDescriptor {
	var param string
	var value protoreflect.Name
	switch body := m.Interface().(type) {
	case *usppb.Add_CreateParamSetting:
		param, value = body.Param, "value"
	case *usppb.Set_UpdateParamSetting:
		param, value = body.Param, "value"
	case *usppb.Notify_ValueChange:
		param, value = body.ParamPath, "param_value"
	}
	if !IsSecretName(param) {
		return nil
	}
	return m.Descriptor().Fields().ByName(value)
}

// isSecretKey reports whether the map entry of this name in m is secret.
func isSecretKey(m protoreflect.Message, name string) bool {
	if operate, ok := m.Interface().(*usppb.Operate); ok && strings.HasSuffix(operate.Command, "ChallengeResponse()") {
		return name == "Value" || IsSecretName(name) // TR-181: the answer that proves who the Controller is
	}
	return IsSecretName(name)
}
