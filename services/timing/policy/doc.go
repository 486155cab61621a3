// Package policy holds the gates and the policy file.
package policy
