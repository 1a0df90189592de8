package decorum.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The toy rule of {@code tests/bench/toy.py} on Kafka Streams, exactly-once: at most 3 contacts in
 * 24 hours and 20 in 30 days, by an exact log of times for each customer.
 *
 * <p>Arguments: bootstrap servers, prefix, state directory, {@code rocksdb} or {@code memory}.
 */
public final class ContactRule {
  private static final long DAY_MS = Duration.ofDays(1).toMillis();
  private static final long MONTH_MS = Duration.ofDays(30).toMillis();
  private static final int A_DAY = 3;
  private static final int A_MONTH = 20;
  private static final String STORE = "contacts";
  private static final ObjectMapper JSON = new ObjectMapper();

  /** A record in. */
  public record Wish(
      String id,
      String customer,
      String account,
      String kind,
      int priority,
      long at_ms,
      String content_ref) {}

  /** A record out. */
  public record Answer(
      String id,
      String customer,
      boolean allowed,
      String reason,
      int remaining,
      long eligible_at_ms) {}

  /** Decides each wish by its customer's log. */
  private static final class Rule implements Processor<String, Wish, String, Answer> {
    private ProcessorContext<String, Answer> context;
    private KeyValueStore<String, long[]> logs;

    @Override
    public void init(ProcessorContext<String, Answer> given) {
      context = given;
      logs = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, Wish> in) {
      Wish wish = in.value();
      long[] kept = logs.get(in.key());
      long[] log = kept == null ? new long[0] : since(kept, wish.at_ms() - MONTH_MS);
      int day = log.length - countUntil(log, wish.at_ms() - DAY_MS);
      context.forward(in.withValue(answer(in.key(), wish, log, day)));
    }

    private Answer answer(String key, Wish wish, long[] log, int day) {
      int month = log.length;
      if (day < A_DAY && month < A_MONTH) {
        long[] longer = Arrays.copyOf(log, month + 1);
        longer[month] = wish.at_ms();
        logs.put(key, longer);
        int left = Math.min(A_DAY - day, A_MONTH - month) - 1;
        return new Answer(wish.id(), wish.customer(), true, "ok", left, wish.at_ms());
      }
      long dayEnds = day >= A_DAY ? log[month - A_DAY] + DAY_MS : 0;
      long monthEnds = month >= A_MONTH ? log[month - A_MONTH] + MONTH_MS : 0;
      String reason = monthEnds > dayEnds ? "month_full" : "day_full";
      long opens = Math.max(dayEnds, monthEnds);
      return new Answer(wish.id(), wish.customer(), false, reason, 0, opens);
    }

    private static long[] since(long[] log, long after) {
      int old = countUntil(log, after);
      return old == 0 ? log : Arrays.copyOfRange(log, old, log.length);
    }

    /** How many times of a rising log are at or before {@code until}. */
    private static int countUntil(long[] log, long until) {
      int count = 0;
      while (count < log.length && log[count] <= until) {
        count++;
      }
      return count;
    }
  }

  private static <T> Serde<T> json(Class<T> type) {
    ObjectReader reader = JSON.readerFor(type);
    ObjectWriter writer = JSON.writerFor(type);
    return Serdes.serdeFrom(
        (topic, value) -> {
          try {
            return writer.writeValueAsBytes(value);
          } catch (JsonProcessingException fault) {
            throw new UncheckedIOException(fault);
          }
        },
        (topic, bytes) -> {
          try {
            return reader.readValue(bytes);
          } catch (IOException fault) {
            throw new UncheckedIOException(fault);
          }
        });
  }

  private static Serde<long[]> times() {
    return Serdes.serdeFrom(
        (topic, log) -> {
          if (log == null) {
            return null;
          }
          ByteBuffer buffer = ByteBuffer.allocate(log.length * Long.BYTES);
          buffer.asLongBuffer().put(log);
          return buffer.array();
        },
        (topic, bytes) -> {
          if (bytes == null) {
            return null;
          }
          long[] log = new long[bytes.length / Long.BYTES];
          ByteBuffer.wrap(bytes).asLongBuffer().get(log);
          return log;
        });
  }

  private static Properties configuration(String bootstrap, String prefix, String directory) {
    Properties given = new Properties();
    given.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "kstreams");
    given.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    given.put(StreamsConfig.STATE_DIR_CONFIG, directory);
    given.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    given.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    given.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    return given;
  }

  private static KeyValueBytesStoreSupplier store(String sort) {
    return sort.equals("memory")
        ? Stores.inMemoryKeyValueStore(STORE)
        : Stores.persistentKeyValueStore(STORE);
  }

  public static void main(String[] arguments) throws InterruptedException {
    String prefix = arguments[1];
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(store(arguments[3]), Serdes.String(), times()));
    builder.stream(prefix + "toy-intents", Consumed.with(Serdes.String(), json(Wish.class)))
        .process(Rule::new, STORE)
        .to(prefix + "toy-decisions", Produced.with(Serdes.String(), json(Answer.class)));
    KafkaStreams streams =
        new KafkaStreams(builder.build(), configuration(arguments[0], prefix, arguments[2]));
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close(Duration.ofSeconds(10));
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }

  private ContactRule() {}
}
