# Sidekiq on the connection secret that is mounted at a directory.
require "sidekiq"

def use_coffer(directory)
  read = ->(file) { File.read(File.join(directory, file)).strip }
  database = {
    host: read["host"], port: read["port"].to_i, username: read["username"], password: read["password"], ssl: true,
    ssl_params: {ca_file: File.join(directory, "ca.crt"), verify_mode: OpenSSL::SSL::VERIFY_PEER, min_version: OpenSSL::SSL::TLS1_3_VERSION},
  }
  Sidekiq.configure_server { |config| config.redis = database }
  Sidekiq.configure_client { |config| config.redis = database }
end
