package credential

import "crypto/tls"

// ServerTLS is what a port for clients serves: TLS 1.3 with the certificate in
// force at each handshake. Session tickets carry no certificate: with them a
// client could go on without having seen a renewed one.
func ServerTLS(current func() *Snapshot) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{
				MinVersion:                  tls.VersionTLS13,
				SessionTicketsDisabled:      true,
				DynamicRecordSizingDisabled: true,
				Certificates:                []tls.Certificate{*current().Client.TLS},
			}, nil
		},
	}
}
