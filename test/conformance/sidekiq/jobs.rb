# Works with coffer_sidekiq.rb once: jobs at once, later, in bulk, tried again, that
# fail for good, and what the page shows. Fails with what is wrong.
require "json"
require "sidekiq/cli" # makes this process a server
require "sidekiq/launcher"
require "sidekiq/api"
require_relative "coffer_sidekiq"

Redis.silence_deprecations = true # what Sidekiq 6 still says in the words of redis-rb 4
PATIENCE = 60
DONE = Queue.new
$commands = 0

class Plain
  include Sidekiq::Worker
  def perform(n) = DONE << n
end

class Flaky
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 0 }
  TRIED = Hash.new(0)
  def perform(n)
    raise "not yet" if (TRIED[n] += 1) < 2
    DONE << n
  end
end

class Wrong
  include Sidekiq::Worker
  sidekiq_options retry: 0
  def perform = raise("as it should")
end

def expect(what, got, want)
  $commands += 1
  abort "#{what}: #{got.inspect}, want #{want.inspect}" unless got == want
end

def await(what)
  (10 * PATIENCE).times { yield ? return : sleep(0.1) }
  abort "never: #{what}"
end

def done(count) = Array.new(count) { Timeout.timeout(PATIENCE) { DONE.pop } }.sort

Sidekiq.logger.level = Logger::FATAL
Sidekiq.options.merge!(concurrency: 4, queues: %w[default low], poll_interval_average: 0.2, average_scheduled_poll_interval: 0.2, timeout: 5)
use_coffer(ARGV[0])
launcher = Sidekiq::Launcher.new(Sidekiq.options)
launcher.run

100.times { |n| Plain.perform_async(n) }
expect "at once", done(100), (0...100).to_a
Sidekiq::Client.push_bulk("class" => Plain, "args" => (0...50).map { |n| [n] })
expect "in bulk", done(50), (0...50).to_a
Plain.set(queue: "low").perform_async(7)
expect "in another queue", done(1), [7]
Plain.perform_in(1, 8)
expect "scheduled", Sidekiq::ScheduledSet.new.size, 1
expect "later", done(1), [8]
Flaky.perform_async(9)
expect "tried again", done(1), [9]
Plain.perform_in(3600, 10)
expect "taken back", Sidekiq::ScheduledSet.new.map(&:delete).size, 1
Wrong.perform_async
await("a job that failed for good") { Sidekiq::Stats.new.failed >= 2 }
await("a process that says that it is there") { Sidekiq::ProcessSet.new.size == 1 }
expect "threads", Sidekiq::ProcessSet.new.first["concurrency"], 4
expect "at work", Sidekiq::Workers.new.to_a.size, 0
expect "queues", Sidekiq::Queue.all.map(&:name).sort, %w[default low]
Sidekiq::RetrySet.new.clear
Sidekiq::DeadSet.new.clear
launcher.stop
Sidekiq::Queue.all.each(&:clear)
expect "commands that were denied", Sidekiq.redis { |c| c.info["acl_access_denied_cmd"] }, "0"
puts JSON.generate(commands: $commands, failed: 0)
