package acl

import "strings"

// Description is a user's permissions in the words of redis-server's ACL
// GETUSER. It has nothing of the user's secrets, their verifiers neither.
type Description struct{ Commands, Keys, Channels string }

// Describe says what the user may do.
func (id *Identity) Describe() Description {
	return Description{id.describeCommands(), id.describeKeys(), id.describeChannels()}
}

// describeCommands begins as redis-server's does, with all or nothing.
func (id *Identity) describeCommands() string {
	rules := make([]string, 0, len(id.commands)+1)
	if len(id.commands) == 0 || id.commands[0] != "@"+allCategories {
		rules = append(rules, "-@"+allCategories)
	}
	for _, text := range id.commands {
		if !strings.HasPrefix(text, "-") {
			text = "+" + text
		}
		rules = append(rules, text)
	}
	return strings.Join(rules, " ")
}

func (id *Identity) describeKeys() string {
	patterns := make([]string, len(id.keys))
	for i, p := range id.keys {
		prefix := map[Access]string{Read: "%R~", Write: "%W~", Read | Write: "~"}[p.access]
		patterns[i] = prefix + string(p.glob)
	}
	return strings.Join(patterns, " ")
}

func (id *Identity) describeChannels() string {
	patterns := make([]string, len(id.channels))
	for i, p := range id.channels {
		patterns[i] = "&" + string(p)
	}
	return strings.Join(patterns, " ")
}

// Line is the user as ACL LIST shows it. "on" is one whose life is not over.
func (id *Identity) Line(on bool) string {
	d, words := id.Describe(), []string{"user", id.name, "off"}
	if on {
		words[2] = "on"
	}
	if d.Keys != "" {
		words = append(words, d.Keys)
	}
	if d.Channels != "&*" {
		words = append(words, "resetchannels")
	}
	if d.Channels != "" {
		words = append(words, d.Channels)
	}
	return strings.Join(append(words, d.Commands), " ")
}
